// Compiled at run time by janino, as plan_walk.java is.
// What single nodes of a plan say of themselves, a line each: see `Fact` in plan_walk.py.

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
import org.apache.spark.sql.catalyst.expressions.objects.Invoke;
import org.apache.spark.sql.catalyst.expressions.objects.StaticInvoke;
import org.apache.spark.sql.catalyst.plans.logical.Project;
import org.apache.spark.sql.catalyst.plans.logical.UnresolvedWith;
import org.apache.spark.sql.catalyst.plans.logical.View;
import org.apache.spark.sql.catalyst.trees.Origin;
import org.apache.spark.sql.catalyst.util.IntervalUtils;
import org.apache.spark.sql.types.Decimal;
import org.apache.spark.sql.types.NullType;
import org.apache.spark.unsafe.types.CalendarInterval;
import org.apache.spark.unsafe.types.UTF8String;

public class PlanFacts {
  /** Writes what must be read of this node, if anything, and answers the number of facts then. */
  public static int fact(StringBuilder out, Object node, int parent, int facts) {
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

  public static StringBuilder start(StringBuilder out, String kind, int parent) {
    return out.append(kind).append('\t').append(parent);
  }

  public static void fields(StringBuilder out, scala.collection.Seq values) {
    scala.collection.Iterator elements = values.iterator();
    while (elements.hasNext()) field(out, String.valueOf(elements.next()));
  }

  /** Tab, then the value, in which backslash, tab and line ends are escaped. */
  public static StringBuilder field(StringBuilder out, String value) {
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
}
