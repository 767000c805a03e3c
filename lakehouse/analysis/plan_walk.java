// Compiled at run time by janino (one of Spark's jars), which knows neither generics nor lambdas.
// A walk over everything that a plan holds, in one call from Python. See plan_walk.py for what it answers.

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import org.apache.spark.SparkThrowable;
import org.apache.spark.sql.catalyst.analysis.UnresolvedRelation;
import org.apache.spark.sql.catalyst.expressions.AttributeReference;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.expressions.NamedLambdaVariable;
import org.apache.spark.sql.catalyst.plans.logical.LocalRelation;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.UnresolvedWith;
import org.apache.spark.sql.catalyst.plans.logical.View;
import org.apache.spark.sql.catalyst.trees.Origin;
import org.apache.spark.sql.catalyst.trees.TreeNode;
import org.apache.spark.sql.classic.Dataset;
import org.apache.spark.sql.classic.SparkSession;
import org.apache.spark.sql.types.Decimal;
import org.apache.spark.unsafe.types.CalendarInterval;
import org.apache.spark.unsafe.types.UTF8String;

public class PlanWalk extends PlanFacts {
  private static final long STACK_BYTES = 128L * 1024 * 1024; // reserved, not used, unless a query nests that deep

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
          result.report = QueryText.refused(text, walk.deepest);
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
