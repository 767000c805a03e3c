import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import org.apache.spark.sql.catalyst.expressions.Alias;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.AttributeReference;
import org.apache.spark.sql.catalyst.expressions.ExprId;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.If;
import org.apache.spark.sql.catalyst.expressions.IsNotNull;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.expressions.NamedExpression;
import org.apache.spark.sql.catalyst.expressions.aggregate.AggregateExpression;
import org.apache.spark.sql.catalyst.plans.logical.Aggregate;
import org.apache.spark.sql.catalyst.plans.logical.Expand;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.Project;

/** See plan_binding.py: the same in one call of the Java gateway instead of hundreds. Compiled when first used. */
public class PlanBinding {
    private static final String WEIGHT = "__w";

    public Object evaluate(Object session, Object operator, List children, List frames, String ids) {
        LogicalPlan node = (LogicalPlan) operator;
        List bound = new ArrayList();
        Attribute weight = null;
        for (int place = 0; place < children.size(); place++) {
            LogicalPlan rows = plan(frames.get(place));
            Attribute carried = (Attribute) named(rows).get(WEIGHT);
            bound.add(bind((LogicalPlan) children.get(place), rows, carried));
            weight = carried != null ? carried : weight;
        }
        LogicalPlan result;
        if (weight != null && node instanceof Project) {
            List kept = listed(((Project) node).projectList());
            kept.add(weight);
            result = new Project(seq(kept), (LogicalPlan) bound.get(0));
        } else if (weight != null && node instanceof Expand) {
            Expand expand = (Expand) node;
            Attribute carried = weight.newInstance();
            List projections = new ArrayList();
            for (Iterator each = listed(expand.projections()).iterator(); each.hasNext();) {
                List kept = listed((scala.collection.Seq) each.next());
                kept.add(weight);
                projections.add(seq(kept));
            }
            List output = listed(expand.output());
            output.add(carried);
            result = new Expand(seq(projections), seq(output), (LogicalPlan) bound.get(0));
            weight = carried;
        } else {
            result = (LogicalPlan) node.withNewChildren(seq(bound));
        }
        return frame(session, chosen(result, ids, weight));
    }

    /** Of the child's rows the grouping columns as g<i>, the i-th function's argument as x<i>, and the sign. */
    public Object withArguments(Object session, Object aggregate, Object child, Object frame, String keys) {
        LogicalPlan rows = plan(frame);
        Attribute weight = (Attribute) named(rows).get(WEIGHT);
        LogicalPlan below = bind((LogicalPlan) child, rows, weight);
        Map known = numbered(below);
        List wanted = new ArrayList();
        String[] numbers = keys.length() == 0 ? new String[0] : keys.split(",");
        for (int place = 0; place < numbers.length; place++) {
            wanted.add(alias((Expression) known.get(Long.valueOf(numbers[place])), "g" + place, null));
        }
        List calls = calls((Aggregate) aggregate);
        for (int place = 0; place < calls.size(); place++) {
            AggregateExpression call = (AggregateExpression) calls.get(place);
            List arguments = listed(call.aggregateFunction().children());
            Expression value = (Expression) arguments.get(0);
            for (int part = 1; part < arguments.size(); part++) { // count(a, b): rows in which neither is NULL
                value = only(new IsNotNull((Expression) arguments.get(part)), value);
            }
            if (call.filter().isDefined()) {
                value = only((Expression) call.filter().get(), value);
            }
            wanted.add(alias(value, "x" + place, null));
        }
        if (weight != null) {
            wanted.add(alias(weight, WEIGHT, null));
        }
        return frame(session, new Project(seq(wanted), below));
    }

    private Expression only(Expression condition, Expression value) {
        return new If(condition, value, new Literal(null, value.dataType()));
    }

    /** A line a buffer of the aggregate's functions: call, buffer, name, SQL type; between them tabs. */
    public String buffers(Object aggregate) {
        StringBuilder text = new StringBuilder();
        List calls = calls((Aggregate) aggregate);
        for (int place = 0; place < calls.size(); place++) {
            List buffers = listed(((AggregateExpression) calls.get(place)).aggregateFunction().aggBufferAttributes());
            for (int part = 0; part < buffers.size(); part++) {
                AttributeReference buffer = (AttributeReference) buffers.get(part);
                text.append(place).append('\t').append(part).append('\t').append(buffer.name()).append('\t')
                    .append(buffer.dataType().sql()).append('\n');
            }
        }
        return text.toString();
    }

    /** The aggregate's rows from the buffers b<i>_<j> and the grouping columns c<id> of a frame. */
    public Object finished(Object session, Object operator, Object frame, String ids) {
        Aggregate aggregate = (Aggregate) operator;
        LogicalPlan rows = plan(frame);
        Map found = named(rows);
        Attribute weight = (Attribute) found.get(WEIGHT);
        List given = new ArrayList();
        for (Iterator each = listed(aggregate.groupingExpressions()).iterator(); each.hasNext();) {
            Attribute key = (Attribute) each.next();
            given.add(alias((Expression) found.get("c" + key.exprId().id()), key.name(), key.exprId()));
        }
        List calls = calls(aggregate);
        for (int place = 0; place < calls.size(); place++) {
            List buffers = listed(((AggregateExpression) calls.get(place)).aggregateFunction().aggBufferAttributes());
            for (int part = 0; part < buffers.size(); part++) {
                AttributeReference buffer = (AttributeReference) buffers.get(part);
                given.add(alias((Expression) found.get("b" + place + "_" + part), buffer.name(), buffer.exprId()));
            }
        }
        List results = new ArrayList();
        for (Iterator each = listed(aggregate.aggregateExpressions()).iterator(); each.hasNext();) {
            results.add(evaluated((Expression) each.next()));
        }
        if (weight != null) {
            given.add(weight);
            results.add(weight);
        }
        LogicalPlan result = new Project(seq(results), new Project(seq(given), rows));
        return frame(session, chosen(result, ids, weight));
    }

    /** A new session with the settings of another that can be set, and then these. */
    public Object sibling(Object session, Map settings) {
        org.apache.spark.sql.classic.SparkSession known = (org.apache.spark.sql.classic.SparkSession) session;
        org.apache.spark.sql.classic.SparkSession made =
            (org.apache.spark.sql.classic.SparkSession) known.newSession();
        Map all = new HashMap(scala.jdk.javaapi.CollectionConverters.asJava(
            (scala.collection.Map) known.sessionState().conf().getAllConfs()));
        for (Iterator each = all.entrySet().iterator(); each.hasNext();) {
            Map.Entry entry = (Map.Entry) each.next();
            if (known.conf().isModifiable((String) entry.getKey())) {
                made.sessionState().conf().setConfString((String) entry.getKey(), (String) entry.getValue());
            }
        }
        for (Iterator each = settings.entrySet().iterator(); each.hasNext();) {
            Map.Entry entry = (Map.Entry) each.next();
            made.sessionState().conf().setConfString((String) entry.getKey(), (String) entry.getValue());
        }
        return made;
    }

    /** `frame.selectExpr` in one call: texts are parted by the ASCII record separator. There may be none: of the rows
      * of a side that is only asked whether it has any, no column is left. */
    public Object select(Object frame, String texts) {
        String[] parts = texts.isEmpty() ? new String[0] : texts.split("\u001e");
        return ((org.apache.spark.sql.classic.Dataset) frame).selectExpr(parts);
    }

    /** `frame.groupBy(...).agg(...)` in one call; both lists as above, the first may be empty. */
    public Object grouped(Object frame, String keys, String measures) {
        org.apache.spark.sql.Column[] groups = columns(keys);
        org.apache.spark.sql.Column[] wanted = columns(measures);
        org.apache.spark.sql.Column[] others = new org.apache.spark.sql.Column[wanted.length - 1];
        System.arraycopy(wanted, 1, others, 0, others.length);
        return ((org.apache.spark.sql.classic.Dataset) frame).groupBy(groups).agg(wanted[0], others);
    }

    private org.apache.spark.sql.Column[] columns(String texts) {
        String[] each = texts.length() == 0 ? new String[0] : texts.split("\u001e");
        org.apache.spark.sql.Column[] found = new org.apache.spark.sql.Column[each.length];
        for (int place = 0; place < each.length; place++) {
            found[place] = org.apache.spark.sql.functions.expr(each[place]);
        }
        return found;
    }

    private LogicalPlan bind(LogicalPlan operator, LogicalPlan rows, Attribute weight) {
        Map found = named(rows);
        Map given = new LinkedHashMap();
        for (Iterator each = listed(operator.output()).iterator(); each.hasNext();) {
            Attribute attribute = (Attribute) each.next();
            Long number = Long.valueOf(attribute.exprId().id());
            given.put(number, alias((Expression) found.get("c" + number), attribute.name(), attribute.exprId()));
        }
        List wanted = new ArrayList(given.values());
        if (weight != null) {
            wanted.add(weight);
        }
        return new Project(seq(wanted), rows);
    }

    private LogicalPlan chosen(LogicalPlan plan, String ids, Attribute weight) {
        Map kept = numbered(plan);
        Map wanted = new LinkedHashMap();
        if (ids.length() > 0) {
            String[] numbers = ids.split(",");
            for (int place = 0; place < numbers.length; place++) {
                Long number = Long.valueOf(numbers[place]);
                wanted.put(number, alias((Expression) kept.get(number), "c" + number, null));
            }
        }
        List list = new ArrayList(wanted.values());
        if (weight != null) {
            list.add(alias((Expression) weight, WEIGHT, null));
        }
        return new Project(seq(list), plan);
    }

    private Map numbered(LogicalPlan plan) {
        Map kept = new HashMap();
        for (Iterator each = listed(plan.output()).iterator(); each.hasNext();) {
            Attribute attribute = (Attribute) each.next();
            kept.putIfAbsent(Long.valueOf(attribute.exprId().id()), attribute);
        }
        return kept;
    }

    private Expression evaluated(Expression expression) {
        if (expression instanceof AggregateExpression) {
            return ((org.apache.spark.sql.catalyst.expressions.aggregate.DeclarativeAggregate)
                ((AggregateExpression) expression).aggregateFunction()).evaluateExpression();
        }
        List children = listed(expression.children());
        if (children.isEmpty()) {
            return expression;
        }
        List changed = new ArrayList();
        for (Iterator each = children.iterator(); each.hasNext();) {
            changed.add(evaluated((Expression) each.next()));
        }
        return (Expression) expression.withNewChildren(seq(changed));
    }

    private List calls(Aggregate aggregate) {
        List found = new ArrayList();
        for (Iterator each = listed(aggregate.aggregateExpressions()).iterator(); each.hasNext();) {
            collect((Expression) each.next(), found);
        }
        return found;
    }

    private void collect(Expression expression, List found) {
        if (expression instanceof AggregateExpression) {
            found.add(expression);
            return;
        }
        for (Iterator each = listed(expression.children()).iterator(); each.hasNext();) {
            collect((Expression) each.next(), found);
        }
    }

    private Map named(LogicalPlan rows) {
        Map found = new HashMap();
        for (Iterator each = listed(rows.output()).iterator(); each.hasNext();) {
            Attribute attribute = (Attribute) each.next();
            found.put(attribute.name(), attribute);
        }
        return found;
    }

    private Alias alias(Expression expression, String name, ExprId identifier) {
        ExprId chosen = identifier != null
            ? identifier : org.apache.spark.sql.catalyst.expressions.NamedExpression$.MODULE$.newExprId();
        scala.collection.immutable.Seq nothing = seq(new ArrayList());
        return new Alias(expression, name, chosen, nothing, scala.Option.empty(), nothing);
    }

    private LogicalPlan plan(Object frame) {
        return ((org.apache.spark.sql.classic.Dataset) frame).queryExecution().analyzed();
    }

    private Object frame(Object session, LogicalPlan plan) {
        return org.apache.spark.sql.classic.Dataset$.MODULE$.ofRows(
            (org.apache.spark.sql.classic.SparkSession) session, plan);
    }

    private List listed(scala.collection.Seq found) {
        return new ArrayList(scala.jdk.javaapi.CollectionConverters.asJava(found));
    }

    private scala.collection.immutable.Seq seq(List items) {
        return scala.jdk.javaapi.CollectionConverters.asScala(items).toSeq();
    }
}
