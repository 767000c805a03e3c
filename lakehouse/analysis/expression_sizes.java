// Compiled at run time by janino, as plan_walk.java is.
// How large the values are that an expression makes: of each function, from those of its arguments. See value_sizes.py.

import java.util.HashMap;
import java.util.IdentityHashMap;
import org.apache.spark.sql.catalyst.expressions.Alias;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.AttributeReference;
import org.apache.spark.sql.catalyst.expressions.BinaryArithmetic;
import org.apache.spark.sql.catalyst.expressions.Cast;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.InheritAnalysisRules;
import org.apache.spark.sql.catalyst.expressions.LambdaFunction;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.expressions.NamedExpression;
import org.apache.spark.sql.catalyst.expressions.NamedLambdaVariable;
import org.apache.spark.sql.catalyst.expressions.OuterReference;
import org.apache.spark.sql.catalyst.expressions.PlanExpression;
import org.apache.spark.sql.catalyst.expressions.Predicate;
import org.apache.spark.sql.catalyst.expressions.UnresolvedNamedLambdaVariable;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;

public abstract class ExpressionSizes extends ValueBounds {

  private final HashMap growth = new HashMap();
  protected final double stored;
  protected final double gathered;
  protected final double mostValue;
  protected final double mostSteps;
  protected final int mostVisits;

  protected boolean parsing;
  private int visits;
  private double steps = 1; // how often the body of a lambda is evaluated for one row
  private int bodies; // of lambdas that we are in
  protected HashMap columns = new HashMap(); // by expression id, or by the name of a lambda's variable
  private IdentityHashMap known = new IdentityHashMap();

  /** See value_sizes.py for what the numbers mean. */
  protected ExpressionSizes(String growth, double stored, double gathered, double mostValue, double mostSteps,
      int mostVisits) {
    String[] each = growth.split("\n");
    for (int line = 0; line < each.length; line++) {
      String[] words = each[line].split(" ");
      for (int word = 1; word < words.length; word++) this.growth.put(words[word], Double.valueOf(words[0]));
    }
    this.stored = stored;
    this.gathered = gathered;
    this.mostValue = mostValue;
    this.mostSteps = mostSteps;
    this.mostVisits = mostVisits;
  }

  /** What of a query grows too large. */
  public static class TooLarge extends RuntimeException {
    public TooLarge(String what) { super(what, null, false, false); }
  }

  /** Finds the bounds of a subquery's columns. */
  protected abstract void plan(LogicalPlan plan);

  protected Bound column(Attribute column) {
    Bound bound = (Bound) columns.get(column.exprId());
    if (bound != null) return bound;
    Bound unknown = bytes(fixed(column.dataType()) ? FIXED : mostValue * 2);
    unknown.open = true;
    return unknown;
  }

  protected Bound value(Expression expression) {
    Bound before = (Bound) known.get(expression);
    if (before != null) return before;
    visit();
    Bound bound = limited(made(expression), name(expression));
    if (parsing && bodies == 0) known.put(expression, bound); // in a lambda's body a variable may mean more each time
    return bound;
  }

  private Bound made(Expression expression) {
    if (expression instanceof Literal) return literal((Literal) expression, stored);
    if (expression instanceof OuterReference) return value((Expression) ((OuterReference) expression).e());
    if (expression instanceof NamedLambdaVariable || expression instanceof UnresolvedNamedLambdaVariable) {
      Bound bound = (Bound) columns.get(key((NamedExpression) expression));
      return bound != null ? bound : opened(bytes(stored));
    }
    if (expression instanceof AttributeReference && !parsing) return column((Attribute) expression);
    if (expression instanceof Attribute) return opened(bytes(stored));
    if (expression instanceof PlanExpression) {
      if (parsing) return opened(bytes(stored));
      LogicalPlan plan = (LogicalPlan) ((PlanExpression) expression).plan();
      plan(plan);
      boolean scalar = !plan.output().isEmpty();
      return scalar ? column((Attribute) plan.output().head()) : bytes(FIXED);
    }
    scala.collection.Seq given = arguments(expression);
    Expression[] of = new Expression[given.size()];
    boolean higher = false;
    for (int place = 0; place < of.length; place++) {
      of[place] = (Expression) given.apply(place);
      higher = higher || of[place] instanceof LambdaFunction;
    }
    String name = name(expression);
    Bound bound = higher ? overElements(name, of) : combined(name, of);
    if (isFixed(expression)) bound = evaluated(expression, bound);
    if (expression instanceof Alias) {
      bound.names += ((Alias) expression).name().length();
      columns.put(((Alias) expression).exprId(), bound);
    } else if (expression instanceof Cast) {
      bound.names += ((Cast) expression).dataType().catalogString().length();
    }
    return bound;
  }

  private static boolean isFixed(Expression expression) {
    if (expression instanceof Predicate || expression instanceof BinaryArithmetic) return true;
    try {
      return (expression.resolved() || expression instanceof Cast) && fixed(expression.dataType());
    } catch (Exception typeless) {
      return false; // a window's frame and the like
    }
  }

  /** The arguments as they are written: some functions are replaced by others, and have those as their only child. */
  private static scala.collection.Seq arguments(Expression expression) {
    if (expression instanceof InheritAnalysisRules) {
      return ((InheritAnalysisRules) expression).parameters().toSeq();
    }
    return expression.children();
  }

  /** A number or date; if it depends on no column Spark would evaluate it early, and so do we. */
  private Bound evaluated(Expression expression, Bound bound) {
    bound.bytes = FIXED;
    bound.count = 1;
    bound.element = null;
    boolean evaluates = !parsing && bodies == 0 && expression.resolved() && bound.low != bound.high
        && expression.foldable() && expression.deterministic();
    if (!evaluates) {
      return bound;
    }
    try {
      exact(expression.dataType(), expression.eval(null), bound);
    } catch (Exception unknown) {
      return bound; // Spark will say what is wrong with it
    }
    return bound;
  }

  /** A function that applies a lambda to each element: all may make of each what the lambda makes. */
  private Bound overElements(String name, Expression[] of) {
    Bound all = array(0, bytes(0));
    for (int place = 0; place < of.length; place++) {
      if (of[place] instanceof LambdaFunction) continue;
      Bound argument = value(of[place]);
      all.count += argument.count;
      all.element = larger(all.element, argument.element());
      all.open = all.open || argument.open;
      all.names += argument.names;
    }
    double outside = steps;
    steps *= Math.max(1, all.count);
    if (steps > mostSteps) throw new TooLarge(name);
    Bound result = name.equals("aggregate") || name.equals("reduce") || name.equals("arrayaggregate")
        ? folded(of, all)
        : array(all.count, larger(all.element, body((LambdaFunction) of[of.length - 1], all.element)));
    steps = outside;
    result.open = all.open;
    result.names += all.names;
    return result;
  }

  /** Merging: what one step adds may not depend on what there is already, else it doubles each time. */
  private Bound folded(Expression[] of, Bound all) {
    Bound zero = value(of[1]);
    LambdaFunction merge = (LambdaFunction) of[2];
    Bound once = merged(merge, zero.bytes, all);
    double first = Math.max(0, once.bytes - zero.bytes);
    double later = merged(merge, mostValue / 4, all).bytes - mostValue / 4;
    if (later > first + 1) throw new TooLarge("aggregate");
    Bound end = limited(bytes(zero.bytes + all.count * first), "aggregate");
    end.names = zero.names + once.names;
    return of.length > 3 && of[3] instanceof LambdaFunction ? body((LambdaFunction) of[3], end) : end;
  }

  private Bound merged(LambdaFunction merge, double before, Bound all) {
    columns.put(key((NamedExpression) merge.arguments().apply(0)), bytes(before));
    columns.put(key((NamedExpression) merge.arguments().apply(1)), all.element);
    return within(merge);
  }

  /** What a lambda makes where each of its variables is `element` at most. */
  private Bound body(LambdaFunction lambda, Bound element) {
    scala.collection.Iterator variables = lambda.arguments().iterator();
    while (variables.hasNext()) columns.put(key((NamedExpression) variables.next()), element);
    return within(lambda);
  }

  private Bound within(LambdaFunction lambda) {
    bodies++;
    Bound whole = value(lambda.function());
    Bound made = bytes(whole.bytes);
    made.names = whole.names;
    bodies--;
    scala.collection.Iterator variables = lambda.arguments().iterator();
    while (variables.hasNext()) columns.remove(key((NamedExpression) variables.next()));
    return made;
  }

  private static Object key(NamedExpression variable) {
    if (variable instanceof NamedLambdaVariable) return variable.exprId();
    return ((UnresolvedNamedLambdaVariable) variable).nameParts().head();
  }

  private Bound combined(String name, Expression[] of) {
    Bound[] made = new Bound[of.length];
    Bound all = bytes(64);
    all.count = of.length;
    all.element = bytes(0);
    for (int place = 0; place < of.length; place++) {
      made[place] = value(of[place]);
      all.bytes += made[place].bytes;
      all.count += made[place].count;
      all.element = larger(all.element, made[place].element != null ? made[place].element : made[place]);
      all.open = all.open || made[place].open;
      all.names += made[place].names;
    }
    Bound result = counted(name, of, made, all);
    if (result != null) limited(result, name); // also where it is only counted or measured then
    else {
      Double times = (Double) growth.get(name);
      result = bytes(times != null ? times.doubleValue() * all.bytes : 16 * all.bytes + 4096);
      result.count = times != null && times.doubleValue() < 8 ? all.count : result.bytes / ELEMENT;
      result.element = all.element;
    }
    range(name, of, made, result);
    result.open = all.open;
    result.names = all.names;
    return result;
  }

  /** What is made as often as an argument says, or of each of many; null if the function is none of those. */
  private Bound counted(String name, Expression[] of, Bound[] made, Bound all) {
    int given = made.length;
    if (is(name, "repeat") && given == 2) return bytes(made[0].bytes * times(name, made[1]));
    if (is(name, "to_json,to_xml,to_csv,to_variant_object")) {
      return bytes(8 * all.bytes + all.names * (1 + all.bytes / ELEMENT));
    }
    if (is(name, "space,randstr") && given > 0) return bytes(4 * times(name, made[0]));
    if (is(name, "lpad,rpad") && given > 1) return bytes(4 * times(name, made[1]) + made[0].bytes);
    if (is(name, "array_repeat") && given == 2) return array(times(name, made[1]), made[0]);
    if (is(name, "sequence") && given > 1) return array(spread(name, made), bytes(FIXED));
    if (is(name, "stack") && given > 0) return array(times(name, made[0]), all);
    if (is(name, "format_number") && given == 2 && text(of[1]) == null) return bytes(400 + times(name, made[1]));
    if (is(name, "array_insert") && given > 2) {
      double place = Math.max(times(name, made[1]), -made[1].low == INFINITE ? 1 : -made[1].low);
      return array(all.count + place, all.element);
    }
    if (is(name, "format_string,printf") && given > 0) {
      return bytes(widths(name, of[0], made[0]) + (made[0].bytes / 2 + 1) * all.bytes);
    }
    if (is(name, "replace") && given == 3) return bytes((made[0].bytes + 1) * Math.max(1, made[2].bytes));
    if (is(name, "regexp_replace") && given > 2) {
      boolean plain = text(of[2]) != null && text(of[2]).indexOf('$') < 0;
      boolean once = text(of[1]) != null && !looksAround(text(of[1]));
      return bytes((made[0].bytes + 1) * (made[2].bytes + 1) * (plain || once ? 1 : made[0].bytes));
    }
    if (is(name, "regexp_extract_all") && (given < 2 || text(of[1]) == null || looksAround(text(of[1])))) {
      return array(made[0].bytes, made[0]);
    }
    if (is(name, "concat_ws") && given > 0) return bytes(all.bytes + made[0].bytes * all.count);
    if (is(name, "array_join") && given > 1) {
      return bytes(all.bytes + (made[1].bytes + (given > 2 ? made[2].bytes : 0)) * made[0].count);
    }
    if (is(name, "flatten") && given == 1) {
      return array(made[0].count * made[0].element().count, made[0].element().element());
    }
    if (is(name, "get,getarrayitem,element_at,try_element_at,getmapvalue,explode,explode_outer,posexplode,"
        + "posexplode_outer,inline,inline_outer,array_min,array_max") && given > 0) return copy(made[0].element());
    if (is(name, "collect_list,collect_set,array_agg,listagg,string_agg") && given > 0) return array(gathered, all);
    if (is(name, "histogram_numeric") && given > 1) return array(times(name, made[1]), bytes(64));
    if (is(name, "approx_percentile,percentile_approx") && given > 2) {
      return bytes(64 * times(name, made[2]) / 1000 + all.bytes);
    }
    if (is(name, "theta_sketch_agg,theta_union_agg") && given > 1) return bytes(16 * Math.pow(2, times(name, made[1])));
    if (is(name, "count_min_sketch,countminsketchagg") && given > 2) {
      if (parsing && made[1].low == -INFINITE) return null;
      boolean sound = made[1].low > 0 && made[2].high < 1;
      return bytes(sound ? 8 * (2 / made[1].low + 1) * (1 - Math.log(1 - made[2].high)) : INFINITE);
    }
    if (is(name, "levenshtein") && given > 1 && made[0].bytes * made[1].bytes > 100 * mostSteps) {
      throw new TooLarge(name);
    }
    return null;
  }

  /** How often at most. */
  private double times(String name, Bound number) {
    if (number.high < INFINITE) return Math.max(0, number.high);
    if (parsing && number.open) return 1; // looked at again, when the columns are known
    throw new TooLarge(name);
  }

  /** Of how many elements a sequence is at most: dates and times in days. */
  private double spread(String name, Bound[] made) {
    double far = Math.max(made[1].high - made[0].low, made[0].high - made[1].low);
    double step = made.length < 3 ? 1 : made[2].low > 0 ? made[2].low : -made[2].high;
    if (far < INFINITE && step > 0 && step < INFINITE) return far / step + 1;
    for (int place = 0; place < made.length; place++) {
      if (parsing && made[place].open) return 1;
    }
    throw new TooLarge(name);
  }

  /** The numbers in a format, added up: each may be a width. */
  private double widths(String name, Expression format, Bound made) {
    String text = text(format);
    if (text == null && parsing && made.open) return 0;
    if (text == null) throw new TooLarge(name);
    double sum = 0;
    double number = 0;
    for (int place = 0; place < text.length(); place++) {
      char character = text.charAt(place);
      number = character >= '0' && character <= '9' ? number * 10 + (character - '0') : 0;
      sum += number;
    }
    return sum;
  }

  protected Bound limited(Bound bound, String name) {
    if (!(bound.bytes <= mostValue)) throw new TooLarge(name);
    return bound;
  }

  protected void visit() {
    if (++visits > mostVisits) throw new TooLarge("query");
  }
}
