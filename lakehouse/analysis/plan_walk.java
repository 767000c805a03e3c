// Compiled at run time by janino (one of Spark's jars), which knows neither generics nor lambdas.
// A walk over everything that a plan holds, in one call from Python. See plan_walk.py for what it answers.

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import org.antlr.v4.runtime.CharStreams;
import org.antlr.v4.runtime.Token;
import org.apache.spark.SparkThrowable;
import org.apache.spark.sql.catalyst.FunctionIdentifier;
import org.apache.spark.sql.catalyst.TableIdentifier;
import org.apache.spark.sql.catalyst.analysis.UnresolvedAttribute;
import org.apache.spark.sql.catalyst.analysis.UnresolvedFunction;
import org.apache.spark.sql.catalyst.analysis.UnresolvedGenerator;
import org.apache.spark.sql.catalyst.analysis.UnresolvedRelation;
import org.apache.spark.sql.catalyst.analysis.UnresolvedStar;
import org.apache.spark.sql.catalyst.analysis.UnresolvedStarExceptOrReplace;
import org.apache.spark.sql.catalyst.analysis.UnresolvedTableValuedFunction;
import org.apache.spark.sql.catalyst.expressions.AttributeReference;
import org.apache.spark.sql.catalyst.expressions.BaseGroupingSets;
import org.apache.spark.sql.catalyst.expressions.Cast;
import org.apache.spark.sql.catalyst.expressions.Cube;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.expressions.NamedLambdaVariable;
import org.apache.spark.sql.catalyst.expressions.objects.Invoke;
import org.apache.spark.sql.catalyst.expressions.objects.StaticInvoke;
import org.apache.spark.sql.catalyst.parser.SqlBaseLexer;
import org.apache.spark.sql.catalyst.parser.UpperCaseCharStream;
import org.apache.spark.sql.catalyst.plans.logical.LocalRelation;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.Project;
import org.apache.spark.sql.catalyst.plans.logical.UnresolvedWith;
import org.apache.spark.sql.catalyst.plans.logical.View;
import org.apache.spark.sql.catalyst.trees.Origin;
import org.apache.spark.sql.catalyst.trees.TreeNode;
import org.apache.spark.sql.catalyst.util.IntervalUtils;
import org.apache.spark.sql.classic.Dataset;
import org.apache.spark.sql.classic.SparkSession;
import org.apache.spark.sql.types.Decimal;
import org.apache.spark.sql.types.NullType;
import org.apache.spark.unsafe.types.CalendarInterval;
import org.apache.spark.unsafe.types.UTF8String;

public class PlanWalk {
  private static final long STACK_BYTES = 128L * 1024 * 1024; // reserved, not used, unless a query nests that deep
  private static final int MOST_PARTS = 64; // of a dotted name
  private static final int MOST_SETS = 1 << 12; // of columns to group by

  private final HashSet parsed;
  private final HashSet analysed;
  private final int mostNodes;
  private final int deepest;
  private final Supplier sizes; // of a Function each: what of an expression or plan grows too large, or null

  /** Class names, a line each: what may stand in a parsed plan, and what in an analysed one. */
  public PlanWalk(String parsed, String analysed, int mostNodes, int deepest, Object sizes) {
    this.parsed = new HashSet(Arrays.asList(parsed.split("\n")));
    this.analysed = new HashSet(Arrays.asList(analysed.split("\n")));
    this.mostNodes = mostNodes;
    this.deepest = deepest;
    this.sizes = (Supplier) sizes;
  }

  /** What one parse gave: a plan, or null, and the report on it. */
  public static class Parse {
    public LogicalPlan plan;
    public String report;

    public LogicalPlan plan() { return plan; }

    public String report() { return report; }
  }

  /**
   * Parse and walk in a thread of its own: its stack is large, and the session is active in it, so that the parser
   * follows that session's settings (by default it would follow those of whichever session the caller's thread had).
   */
  public Parse parse(final SparkSession session, final String text) throws InterruptedException {
    final Parse result = new Parse();
    final PlanWalk walk = this;
    Runnable work = new Runnable() {
      public void run() {
        try {
          org.apache.spark.sql.classic.SparkSession$.MODULE$.setActiveSession(session);
          result.report = walk.nesting(text);
          if (result.report == null) {
            LogicalPlan plan = session.sessionState().sqlParser().parsePlan(text);
            result.report = walk.walk(plan, true);
            result.plan = plan;
          }
        } catch (Throwable failure) {
          result.report = walk.failure(failure);
        }
      }
    };
    Thread thread = new Thread(null, work, "query-gate", STACK_BYTES);
    thread.setDaemon(true);
    thread.start();
    thread.join();
    return result;
  }

  /** The frame of a parsed plan: Spark analyses it here. */
  public Dataset frame(SparkSession session, LogicalPlan plan) {
    return Dataset.ofRows(session, plan);
  }

  /** Walk what a frame's query means after analysis, down to the persistent views. */
  public String analysed(Dataset frame) {
    LogicalPlan plan = frame.queryExecution().analyzed();
    String report = walk(plan, false);
    Object large = report.startsWith("walked") ? ((Function) sizes.get()).apply(plan) : null;
    return large == null ? report : large(large);
  }

  /**
   * Null if the text is one that the parser can be given. Its time grows with the square, or worse, of how deep
   * brackets, types, lambdas, names and paths go, and long before it could say that it is too much. It writes out the
   * sets of a CUBE in GROUPING SETS, and the zeros of a decimal with an exponent.
   */
  String nesting(String text) {
    SqlBaseLexer lexer = new SqlBaseLexer(new UpperCaseCharStream(CharStreams.fromString(text)));
    lexer.removeErrorListeners();
    int depth = 0;
    int types = 0;
    int arrows = 0;
    int colons = 0;
    int parts = 0;
    int cube = 0; // the depth that we are at inside of a CUBE
    int columns = 0; // of it
    double sets = 0;
    int last = Token.EOF;
    int beforeLast = Token.EOF;
    for (Token token = lexer.nextToken(); token.getType() != Token.EOF; token = lexer.nextToken()) {
      if (token.getChannel() != Token.DEFAULT_CHANNEL) continue;
      int type = token.getType();
      boolean closed = type == SqlBaseLexer.RIGHT_PAREN || type == SqlBaseLexer.RIGHT_BRACKET;
      boolean opened = type == SqlBaseLexer.LEFT_PAREN || type == SqlBaseLexer.LEFT_BRACKET;
      if (opened || type == SqlBaseLexer.CASE) depth++;
      if ((closed || type == SqlBaseLexer.END) && depth > 0) depth--;
      if (opened && last == SqlBaseLexer.CUBE) {
        cube = depth;
        columns = 1;
      }
      if (type == SqlBaseLexer.COMMA && depth == cube) columns++;
      if (closed && cube > depth) {
        sets += Math.pow(2, columns);
        cube = 0;
      }
      if (sets > MOST_SETS || isHuge(token.getText())) return "large\n";
      boolean typed = last == SqlBaseLexer.ARRAY || last == SqlBaseLexer.MAP || last == SqlBaseLexer.STRUCT;
      if (typed && type == SqlBaseLexer.LT) types++;
      if (type == SqlBaseLexer.ARROW) arrows++;
      if (type == SqlBaseLexer.COLON) colons++;
      if (type == SqlBaseLexer.DOT) parts = beforeLast == SqlBaseLexer.DOT ? parts + 1 : 1;
      if (depth > deepest || types > deepest || arrows > deepest || colons > 4 * deepest || parts > MOST_PARTS) {
        return "deep\n";
      }
      beforeLast = last;
      last = type;
    }
    return null;
  }

  /** Whether it is a number with an exponent of more than three digits. */
  private static boolean isHuge(String token) {
    char first = token.charAt(0);
    int exponent = token.toUpperCase().indexOf('E');
    if (exponent < 1 || !(first == '.' || (first >= '0' && first <= '9'))) return false;
    int digits = 0;
    for (int place = exponent + 1; place < token.length(); place++) {
      char character = token.charAt(place);
      if (character >= '0' && character <= '9') digits++;
    }
    return digits > 3;
  }

  String failure(Throwable failure) {
    StringBuilder out = new StringBuilder("error");
    if (failure instanceof StackOverflowError) return "deep\n";
    if (failure instanceof SparkThrowable) {
      SparkThrowable known = (SparkThrowable) failure;
      field(out, known.getCondition());
      field(out, known.getSqlState());
    }
    return out.append('\n').toString();
  }

  /** Depth first. The stack holds, per object: itself, the fact above it, and its depth in plans and expressions. */
  String walk(Object root, boolean parsing) {
    HashSet allowed = parsing ? parsed : analysed;
    StringBuilder out = new StringBuilder();
    IdentityHashMap seen = new IdentityHashMap();
    ArrayDeque open = new ArrayDeque();
    Function size = (Function) sizes.get();
    int facts = 0;
    push(open, root, -1, 0);
    while (!open.isEmpty()) {
      Object[] entry = (Object[]) open.pop();
      Object node = entry[0];
      int parent = ((Integer) entry[1]).intValue();
      int depth = ((Integer) entry[2]).intValue();
      if (isPlain(node)) continue;
      // A node is reached more than once (as a child and as an element); a relation counts once in every scope.
      Object before = seen.put(node, entry[1]);
      if (before != null && !(node instanceof UnresolvedRelation && !before.equals(entry[1]))) continue;
      if (seen.size() > mostNodes) return "large\n";
      if (isCollection(node)) {
        pushAll(open, node, parent, depth);
        continue;
      }
      String name = node.getClass().getName();
      if (!(name.startsWith("scala.Tuple") || allowed.contains(name))) return refused(node, name);
      if (node instanceof TreeNode && ++depth > deepest) return "deep\n";
      // Spark evaluates what depends on no column while it analyses a query: sizes must be known before.
      Object large = parsing && node instanceof Expression ? size.apply(node) : null;
      if (large != null) return large(large);
      int known = facts;
      facts = fact(out, node, parent, facts);
      int above = facts > known ? facts - 1 : parent;
      if (node instanceof UnresolvedWith) {
        facts = with(out, open, (UnresolvedWith) node, facts, depth);
      } else if (!isLeaf(node)) {
        if (node instanceof TreeNode) pushAll(open, ((TreeNode) node).children(), above, depth);
        if (node instanceof scala.Product) pushProduct(open, (scala.Product) node, above, depth);
        else if (!(node instanceof TreeNode)) return refused(node, name);
      }
    }
    return out.insert(0, "walked\n").toString();
  }

  private static String large(Object what) {
    return field(new StringBuilder("value"), String.valueOf(what)).append('\n').toString();
  }

  private static String refused(Object node, String name) {
    String kind = node instanceof LogicalPlan ? "plan" : node instanceof Expression ? "expression" : "value";
    return field(field(new StringBuilder("class"), kind), name).append('\n').toString();
  }

  /** A `with`, then a `cte` for each table expression and a `body`, each of which stands above its part. */
  private static int with(StringBuilder out, ArrayDeque open, UnresolvedWith node, int facts, int depth) {
    int own = facts - 1;
    scala.collection.Iterator ctes = node.cteRelations().iterator();
    while (ctes.hasNext()) {
      scala.Product cte = (scala.Product) ctes.next();
      start(out, "cte", own);
      field(out, String.valueOf(cte.productElement(0))).append('\n');
      pushProduct(open, cte, facts++, depth);
    }
    start(out, "body", own).append('\n');
    push(open, node.child(), facts++, depth);
    return facts;
  }

  /** Writes what must be read of this node, if anything, and answers the number of facts then. */
  private static int fact(StringBuilder out, Object node, int parent, int facts) {
    if (node instanceof UnresolvedRelation) {
      UnresolvedRelation relation = (UnresolvedRelation) node;
      boolean plain = relation.options().isEmpty() && !relation.isStreaming();
      field(start(out, "relation", parent), plain ? "plain" : "options");
      fields(out, relation.multipartIdentifier());
    } else if (node instanceof UnresolvedFunction) {
      UnresolvedFunction function = (UnresolvedFunction) node;
      field(start(out, "function", parent), function.isInternal() ? "internal" : "plain");
      fields(out, function.nameParts());
      String called = String.valueOf(function.nameParts().last()).toLowerCase();
      if (called.equals("window") || called.equals("approx_count_distinct")) {
        out.append('\n');
        field(start(out, "copies", parent), String.valueOf(copies(called, function.arguments())));
        facts++;
      }
    } else if (node instanceof UnresolvedGenerator) {
      FunctionIdentifier function = ((UnresolvedGenerator) node).name();
      field(start(out, "function", parent), "plain");
      if (function.database().isDefined()) field(out, (String) function.database().get());
      field(out, function.funcName());
    } else if (node instanceof UnresolvedTableValuedFunction) {
      UnresolvedTableValuedFunction function = (UnresolvedTableValuedFunction) node;
      fields(start(out, "tvf", parent), function.name());
    } else if (node instanceof UnresolvedAttribute) {
      fields(start(out, "attribute", parent), ((UnresolvedAttribute) node).nameParts());
    } else if (node instanceof UnresolvedStar && ((UnresolvedStar) node).target().isDefined()) {
      fields(start(out, "attribute", parent), (scala.collection.Seq) ((UnresolvedStar) node).target().get());
    } else if (node instanceof UnresolvedStarExceptOrReplace
        && ((UnresolvedStarExceptOrReplace) node).target().isDefined()) {
      fields(start(out, "attribute", parent),
          (scala.collection.Seq) ((UnresolvedStarExceptOrReplace) node).target().get());
    } else if (node instanceof UnresolvedWith) {
      field(start(out, "with", parent), ((UnresolvedWith) node).allowRecursion() ? "recursive" : "plain");
    } else if (node instanceof Project && stars((Project) node) > 1) {
      field(start(out, "stars", parent), String.valueOf(stars((Project) node)));
    } else if (node instanceof BaseGroupingSets) {
      field(start(out, "copies", parent), String.valueOf(sets((BaseGroupingSets) node)));
    } else if (node instanceof View) {
      View view = (View) node;
      TableIdentifier name = view.desc().identifier();
      String form = view.isTempView() ? "temporary" : view.options().isEmpty() ? "persistent" : "options";
      field(start(out, "view", parent), form);
      field(out, name.catalog().isDefined() ? (String) name.catalog().get() : "");
      field(out, name.database().isDefined() ? (String) name.database().get() : "");
      field(out, name.table());
    } else if (node instanceof AttributeReference && isMetadata((AttributeReference) node)) {
      field(start(out, "metadata", parent), ((AttributeReference) node).name());
    } else if (node instanceof Cast && isUntyped(((Cast) node).child())) {
      Origin origin = ((Cast) node).child().origin();
      if (!origin.startIndex().isDefined()) return facts;
      field(start(out, "untyped", parent), String.valueOf(origin.startIndex().get()));
      field(out, ((Cast) node).dataType().catalogString());
    } else if (node instanceof StaticInvoke) {
      StaticInvoke call = (StaticInvoke) node;
      field(field(start(out, "static", parent), call.staticObject().getName()), call.functionName());
    } else if (node instanceof Invoke) {
      Invoke call = (Invoke) node;
      field(field(start(out, "invoke", parent), call.targetObject().getClass().getName()), call.functionName());
    } else {
      return facts;
    }
    out.append('\n');
    return facts + 1;
  }

  /** Whether it is a NULL as it is written, which gets a type by where it stands. */
  private static boolean isUntyped(Expression expression) {
    return expression instanceof Literal && ((Literal) expression).value() == null
        && ((Literal) expression).dataType() instanceof NullType;
  }

  /** How many grouping sets there are: each is a copy of every row. */
  private static double sets(BaseGroupingSets node) {
    double given = ((scala.collection.Seq) ((scala.Product) node).productElement(0)).size();
    return node instanceof Cube ? Math.pow(2, given) : given + 1;
  }

  /** How many windows a time is in, or how many thousands of registers a count keeps; infinite if it is not written. */
  private static double copies(String called, scala.collection.Seq arguments) {
    if (called.equals("window")) {
      double length = arguments.size() > 1 ? micros(arguments.apply(1)) : 1;
      double slide = arguments.size() > 2 ? micros(arguments.apply(2)) : length;
      return length > 0 && slide > 0 ? length / slide : Double.POSITIVE_INFINITY;
    }
    if (arguments.size() < 2) return 1;
    Object value = arguments.apply(1) instanceof Literal ? ((Literal) arguments.apply(1)).value() : null;
    double error = value instanceof Number ? ((Number) value).doubleValue()
        : value instanceof Decimal ? ((Decimal) value).toDouble() : 0;
    return error > 0 ? 0.0012 / (error * error) : Double.POSITIVE_INFINITY;
  }

  private static double micros(Object duration) {
    Object value = duration instanceof Literal ? ((Literal) duration).value() : null;
    if (value instanceof Number) return ((Number) value).doubleValue();
    if (!(value instanceof UTF8String)) return Double.NaN;
    CalendarInterval interval = IntervalUtils.safeStringToInterval((UTF8String) value);
    return interval == null ? Double.NaN : interval.days * 86400e6 + interval.microseconds;
  }

  /** How many stars stand in a SELECT. */
  private static int stars(Project project) {
    int found = 0;
    scala.collection.Iterator each = project.projectList().iterator();
    while (each.hasNext()) {
      if (each.next() instanceof org.apache.spark.sql.catalyst.analysis.Star) found++;
    }
    return found;
  }

  private static boolean isMetadata(AttributeReference column) {
    return column.metadata().contains("__metadata_col") || column.metadata().contains("__file_source_metadata_col");
  }

  /**
   * Nothing below matters: columns, variables of lambdas and literals hold no plan, views are checked by name, rows are
   * not read.
   */
  private static boolean isLeaf(Object node) {
    return node instanceof AttributeReference || node instanceof Literal || node instanceof LocalRelation
        || node instanceof NamedLambdaVariable || (node instanceof View && !((View) node).isTempView());
  }

  private static boolean isPlain(Object node) {
    return node == null || node instanceof String || node instanceof Number || node instanceof Boolean
        || node instanceof Character || node instanceof Enum || node instanceof byte[]
        || node instanceof scala.Enumeration.Value || node instanceof scala.runtime.BoxedUnit
        || node instanceof scala.math.ScalaNumber
        || node instanceof org.apache.spark.unsafe.types.UTF8String
        || node instanceof org.apache.spark.unsafe.types.CalendarInterval
        || node instanceof org.apache.spark.sql.types.Decimal
        || node instanceof org.apache.spark.sql.types.Metadata
        || node instanceof org.apache.spark.sql.catalyst.expressions.ExprId
        || node instanceof Origin
        || (node instanceof org.apache.spark.sql.types.AbstractDataType
            && !(node instanceof org.apache.spark.sql.types.UserDefinedType));
  }

  private static boolean isCollection(Object node) {
    return !(node instanceof TreeNode)
        && (node instanceof scala.collection.Iterable || node instanceof scala.Option
            || node instanceof scala.util.Either || node instanceof Object[]
            || node instanceof java.lang.Iterable || node instanceof Map);
  }

  private static void push(ArrayDeque open, Object node, int above, int depth) {
    if (node != null) open.push(new Object[] {node, new Integer(above), new Integer(depth)});
  }

  private static void pushProduct(ArrayDeque open, scala.Product node, int above, int depth) {
    scala.collection.Iterator elements = node.productIterator();
    while (elements.hasNext()) push(open, elements.next(), above, depth);
  }

  private static void pushAll(ArrayDeque open, Object node, int above, int depth) {
    if (node instanceof scala.collection.Iterable) {
      scala.collection.Iterator elements = ((scala.collection.Iterable) node).iterator();
      while (elements.hasNext()) push(open, elements.next(), above, depth);
    } else if (node instanceof Object[]) {
      Object[] elements = (Object[]) node;
      for (int index = 0; index < elements.length; index++) push(open, elements[index], above, depth);
    } else if (node instanceof Map) {
      pushAll(open, ((Map) node).keySet(), above, depth);
      pushAll(open, ((Map) node).values(), above, depth);
    } else if (node instanceof java.lang.Iterable) {
      java.util.Iterator elements = ((java.lang.Iterable) node).iterator();
      while (elements.hasNext()) push(open, elements.next(), above, depth);
    } else {
      pushProduct(open, (scala.Product) node, above, depth);
    }
  }

  private static StringBuilder start(StringBuilder out, String kind, int parent) {
    return out.append(kind).append('\t').append(parent);
  }

  private static void fields(StringBuilder out, scala.collection.Seq values) {
    scala.collection.Iterator elements = values.iterator();
    while (elements.hasNext()) field(out, String.valueOf(elements.next()));
  }

  /** Tab, then the value, in which backslash, tab and line ends are escaped. */
  private static StringBuilder field(StringBuilder out, String value) {
    out.append('\t');
    if (value == null) return out;
    for (int index = 0; index < value.length(); index++) {
      char character = value.charAt(index);
      if (character == '\\') out.append("\\\\");
      else if (character == '\t') out.append("\\t");
      else if (character == '\n') out.append("\\n");
      else out.append(character);
    }
    return out;
  }

  /** Of these class names, a line each: those that are `superName` or a subclass of it and can be made. */
  public static String subclasses(String names, String superName) throws ClassNotFoundException {
    ClassLoader loader = Thread.currentThread().getContextClassLoader();
    Class above = Class.forName(superName, false, loader);
    StringBuilder out = new StringBuilder();
    String[] each = names.split("\n");
    for (int index = 0; index < each.length; index++) {
      try {
        Class found = Class.forName(each[index], false, loader);
        boolean made = !java.lang.reflect.Modifier.isAbstract(found.getModifiers());
        if (made && above.isAssignableFrom(found)) out.append(each[index]).append('\n');
      } catch (LinkageError missing) {
        continue; // its own supertypes are in no jar here: no plan can hold it
      }
    }
    return out.toString();
  }
}
