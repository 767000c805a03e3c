// Compiled at run time by janino, as plan_walk.java is.
// How large the values are that a query makes, from its text or its analysed plan alone. See value_sizes.py.

import java.util.HashMap;
import java.util.function.Function;
import java.util.function.Supplier;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.plans.logical.CTERelationDef;
import org.apache.spark.sql.catalyst.plans.logical.CTERelationRef;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.Range;
import org.apache.spark.sql.catalyst.plans.logical.RebalancePartitions;
import org.apache.spark.sql.catalyst.plans.logical.RepartitionOperation;
import org.apache.spark.sql.catalyst.plans.logical.Union;
import org.apache.spark.sql.catalyst.plans.logical.UnionLoop;
import org.apache.spark.sql.catalyst.plans.logical.UnionLoopRef;
import org.apache.spark.sql.catalyst.plans.logical.View;
import org.apache.spark.sql.catalyst.plans.logical.WithCTE;

public class ValueSizes extends ExpressionSizes implements Function, Supplier {

  private static final double MOST_LEVELS = 1000; // of a recursive table expression

  private final String growth;
  private final double mostRow;

  private HashMap expressions = new HashMap(); // by a table expression's id: bounds of its columns

  /** See value_sizes.py for what the numbers mean. */
  public ValueSizes(String growth, double stored, double gathered, double mostValue, double mostRow,
      double mostSteps, int mostVisits) {
    super(growth, stored, gathered, mostValue, mostSteps, mostVisits);
    this.growth = growth;
    this.mostRow = mostRow;
  }

  /** One for another query. */
  public Object get() {
    return new ValueSizes(growth, stored, gathered, mostValue, mostRow, mostSteps, mostVisits);
  }

  /** Null, or the name of what grows too large: in an unresolved expression, or in an analysed plan. */
  public Object apply(Object of) {
    try {
      parsing = of instanceof Expression;
      if (parsing) {
        value((Expression) of);
        return null;
      }
      LogicalPlan plan = (LogicalPlan) of;
      plan(plan);
      double row = 0;
      scala.collection.Iterator output = plan.output().iterator();
      while (output.hasNext()) row += column((Attribute) output.next()).bytes;
      return row > mostRow ? "row" : null;
    } catch (TooLarge large) {
      return large.getMessage();
    }
  }

  protected void plan(LogicalPlan plan) {
    visit();
    if (plan instanceof View || plan instanceof CTERelationRef || plan instanceof UnionLoopRef) {
      Bound[] of = plan instanceof CTERelationRef
          ? (Bound[]) expressions.get(Long.valueOf(((CTERelationRef) plan).cteId()))
          : plan instanceof UnionLoopRef ? (Bound[]) expressions.get("loop" + ((UnionLoopRef) plan).loopId()) : null;
      outputs(plan, of);
      return;
    }
    if (plan instanceof UnionLoop) {
      loop((UnionLoop) plan);
      return;
    }
    if (plan instanceof WithCTE) {
      scala.collection.Iterator definitions = ((WithCTE) plan).cteDefs().iterator();
      while (definitions.hasNext()) plan((LogicalPlan) definitions.next());
      plan(((WithCTE) plan).plan());
      return;
    }
    Bound largest = bytes(FIXED);
    scala.collection.Iterator children = plan.children().iterator();
    while (children.hasNext()) {
      LogicalPlan child = (LogicalPlan) children.next();
      plan(child);
      Bound[] made = outputs(child, null);
      for (int place = 0; place < made.length; place++) largest = larger(largest, made[place]);
    }
    if (plan instanceof Union) {
      union((Union) plan);
      return;
    }
    boolean leaf = plan.children().isEmpty();
    scala.collection.Iterator own = plan.expressions().iterator();
    while (own.hasNext()) {
      Expression expression = (Expression) own.next();
      // A column that is new here is no expression over what there was.
      if (expression instanceof Attribute && !columns.containsKey(((Attribute) expression).exprId())) continue;
      leaf = false;
      largest = larger(largest, value(expression));
    }
    if (plan instanceof RepartitionOperation && ((RepartitionOperation) plan).numPartitions() > 10000) {
      throw new TooLarge("repartition");
    }
    if (plan instanceof RebalancePartitions && ((RebalancePartitions) plan).optNumPartitions().isDefined()
        && ((Number) ((RebalancePartitions) plan).optNumPartitions().get()).intValue() > 10000) {
      throw new TooLarge("rebalance");
    }
    if (plan instanceof Range && ((Range) plan).numSlices().isDefined()
        && ((Number) ((Range) plan).numSlices().get()).intValue() > 10000) throw new TooLarge("range");
    scala.collection.Iterator output = plan.output().iterator();
    while (output.hasNext()) {
      Attribute column = (Attribute) output.next();
      if (!columns.containsKey(column.exprId())) {
        Bound bound = leaf ? nominal(column.dataType(), 0, stored) : fitted(largest, column.dataType());
        if (plan instanceof Range) {
          Range range = (Range) plan;
          bound.low = Math.min((double) range.start(), (double) range.end());
          bound.high = Math.max((double) range.start(), (double) range.end());
        }
        columns.put(column.exprId(), bound);
      }
    }
    if (plan instanceof CTERelationDef) {
      expressions.put(Long.valueOf(((CTERelationDef) plan).id()), outputs(((CTERelationDef) plan).child(), null));
    }
  }

  /** The bounds of a plan's columns; where `of` is given, or nothing is known yet, they are set. */
  private Bound[] outputs(LogicalPlan plan, Bound[] of) {
    Bound[] found = new Bound[plan.output().size()];
    for (int place = 0; place < found.length; place++) {
      Attribute column = (Attribute) plan.output().apply(place);
      boolean leaf = plan.children().isEmpty() || plan instanceof View;
      if (of != null && place < of.length) columns.put(column.exprId(), of[place]);
      else if (!columns.containsKey(column.exprId()) && leaf) {
        columns.put(column.exprId(), nominal(column.dataType(), 0, stored));
      }
      found[place] = column(column);
    }
    return found;
  }

  private void union(Union union) {
    for (int place = 0; place < union.output().size(); place++) {
      Bound largest = null;
      scala.collection.Iterator children = union.children().iterator();
      while (children.hasNext()) {
        Bound bound = column((Attribute) ((LogicalPlan) children.next()).output().apply(place));
        largest = largest == null ? bound : larger(largest, bound);
      }
      columns.put(((Attribute) union.output().apply(place)).exprId(), largest);
    }
  }

  /** A recursive table expression: what a level adds may not depend on what there is, else it doubles each time. */
  private void loop(UnionLoop loop) {
    plan(loop.anchor());
    Bound[] first = outputs(loop.anchor(), null);
    String name = "loop" + loop.id();
    Bound[] after = first;
    double[] added = new double[first.length];
    Bound[] before = new Bound[first.length];
    for (int trial = 0; trial < 2; trial++) {
      for (int place = 0; place < first.length; place++) {
        Attribute column = (Attribute) loop.anchor().output().apply(place);
        before[place] = fixed(column.dataType()) ? bytes(FIXED) : bytes(first[place].bytes + trial * mostValue / 4);
      }
      expressions.put(name, before);
      plan(loop.recursion());
      after = outputs(loop.recursion(), null);
      for (int place = 0; place < first.length; place++) {
        double more = Math.max(0, after[place].bytes - before[place].bytes);
        if (trial == 1 && more > added[place] + 1) throw new TooLarge("recursion");
        added[place] = more;
      }
    }
    double most = loop.maxDepth().isDefined() ? ((Number) loop.maxDepth().get()).doubleValue() : 100; // 100 by default
    double levels = most < 0 ? INFINITE : most;
    // Each level is planned in the driver, where nothing stops it, and takes the longer the more there were before.
    if (levels > MOST_LEVELS) throw new TooLarge("recursion");
    Bound[] all = new Bound[first.length];
    for (int place = 0; place < first.length; place++) {
      Attribute column = (Attribute) loop.output().apply(place);
      Bound deepest = bytes(first[place].bytes + (added[place] > 0 ? levels * added[place] : 0));
      all[place] = fixed(column.dataType()) ? bytes(FIXED) : limited(deepest, "recursion");
    }
    outputs(loop, all);
  }
}
