// Compiled at run time by janino, as plan_walk.java is.
// What is known of a value before it is made, and how it follows from its arguments: see value_sizes.java.

import org.apache.spark.sql.catalyst.analysis.UnresolvedFunction;
import org.apache.spark.sql.catalyst.analysis.UnresolvedGenerator;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.BooleanType;
import org.apache.spark.sql.types.CalendarIntervalType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DateType;
import org.apache.spark.sql.types.DatetimeType;
import org.apache.spark.sql.types.DayTimeIntervalType;
import org.apache.spark.sql.types.Decimal;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.NullType;
import org.apache.spark.sql.types.NumericType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.types.TimestampNTZType;
import org.apache.spark.sql.types.TimestampType;
import org.apache.spark.sql.types.YearMonthIntervalType;
import org.apache.spark.unsafe.types.CalendarInterval;
import org.apache.spark.unsafe.types.UTF8String;

public class ValueBounds {
  public static final double FIXED = 32; // bytes of a number, a date, or as a text
  public static final double ELEMENT = 16; // bytes that an element of an array takes beside its value
  public static final double INFINITE = Double.POSITIVE_INFINITY;
  public static final double DAY = 86400e6; // microseconds
  public static final double FIRST_DAY = -25567; // 1900: what stored dates are taken to be within
  public static final double LAST_DAY = 47482; // 2100

  /** What is known of a value: bytes at most; of an array or map its elements and the largest; a number's range. */
  public static class Bound {
    public double bytes = FIXED;
    public double count = 1;
    public Bound element;
    public double low = -INFINITE;
    public double high = INFINITE;
    public double names; // of fields, in bytes: what is written as a text has them once an element
    public boolean open; // depends on a column, so that nobody evaluates it before there are rows

    public Bound element() { return element != null ? element : bytes(bytes); }
  }

  /** Sets between what a number, or a date in days, is; infinite if nothing is known. */
  public static void range(String name, Expression[] of, Bound[] made, Bound result) {
    Bound first = made.length > 0 ? made[0] : result;
    Bound second = made.length > 1 ? made[1] : result;
    if (is(name, "alias,cast,try_cast,upcast,outer,knownnullable,int,bigint,smallint,tinyint,max,min,first,last,"
        + "first_value,last_value,any_value,aggregateexpression,windowexpression,lag,lead,sortorder")) {
      span(result, first.low, first.high);
    } else if (is(name, "ceil,ceiling,floor,round,bround") && made.length == 1) { // not to thousands
      span(result, first.low - 1, first.high + 1);
    } else if (is(name, "date_trunc,trunc,last_day,next_day") && made.length > 0) {
      Bound day = name.equals("date_trunc") ? second : first;
      span(result, day.low - 366, day.high + 366);
    } else if (is(name, "add,+,date_add,dateaddinterval,timestampaddinterval,dateaddyminterval,timestampaddyminterval")
        && made.length > 1) {
      span(result, first.low + second.low, first.high + second.high);
    } else if (is(name, "subtract,-,date_sub,datediff,date_diff") && made.length == 2) {
      span(result, first.low - second.high, first.high - second.low);
    } else if (is(name, "add_months") && made.length == 2) {
      span(result, first.low - 31 * Math.abs(second.low), first.high + 31 * Math.abs(second.high));
    } else if (is(name, "unaryminus,negative,-") && made.length == 1) {
      span(result, -first.high, -first.low);
    } else if (is(name, "abs") && made.length == 1) {
      span(result, 0, Math.max(Math.abs(first.low), Math.abs(first.high)));
    } else if (is(name, "multiply,*") && made.length > 1) {
      double far = Math.max(Math.abs(first.low), Math.abs(first.high))
          * Math.max(Math.abs(second.low), Math.abs(second.high));
      span(result, -far, far);
    } else if (is(name, "remainder,pmod,mod,%") && made.length > 1) {
      double far = Math.max(Math.abs(second.low), Math.abs(second.high));
      span(result, -far, far);
    } else if (is(name, "length,char_length,character_length,octet_length,len") && made.length > 0) {
      span(result, 0, first.bytes);
    } else if (is(name, "size,cardinality,array_size")) {
      span(result, -1, first.count);
    } else if (is(name, "month,day,dayofmonth,dayofyear,dayofweek,weekday,weekofyear,quarter,hour,minute,second")) {
      span(result, 0, 366);
    } else if (is(name, "current_date,curdate,current_timestamp,now,localtimestamp")) {
      span(result, 0, LAST_DAY);
    } else if (is(name, "least") && made.length > 0) {
      span(result, -INFINITE, INFINITE);
      for (int place = 0; place < made.length; place++) result.high = Math.min(result.high, made[place].high);
    } else if (is(name, "greatest,coalesce,if,casewhen,case_when,case,ifnull,nvl") && made.length > 0) {
      Bound all = made[0];
      for (int place = 1; place < made.length; place++) all = larger(all, made[place]);
      span(result, all.low, all.high);
    }
    if (is(name, "cast,try_cast,to_date,date,to_timestamp,timestamp") && made.length > 0 && text(of[0]) != null) {
      span(result, days(text(of[0])), days(text(of[0])));
      if (result.low != result.low) span(result, -INFINITE, INFINITE);
    }
  }

  /** The day of a text like 2026-11-29…; not a number if it is none. */
  public static double days(String text) {
    try {
      return (double) java.time.LocalDate.parse(text.trim().substring(0, 10)).toEpochDay();
    } catch (RuntimeException other) {
      return Double.NaN;
    }
  }

  public static void span(Bound bound, double low, double high) {
    bound.low = low != low ? -INFINITE : low; // infinite less infinite is not a number
    bound.high = high != high ? INFINITE : high;
  }

  public static String text(Expression expression) {
    if (!(expression instanceof Literal)) return null;
    Object value = ((Literal) expression).value();
    return value instanceof UTF8String ? value.toString() : null;
  }

  public static Bound literal(Literal literal, double stored) {
    Object value = literal.value();
    if (value instanceof UTF8String) return bytes(((UTF8String) value).numBytes());
    if (value instanceof byte[]) return bytes(((byte[]) value).length);
    Bound bound = fixed(literal.dataType()) ? bytes(FIXED) : nominal(literal.dataType(), 0, stored);
    if (value == null) span(bound, 0, 0);
    else if (value instanceof CalendarInterval) {
      CalendarInterval interval = (CalendarInterval) value;
      double rest = interval.days + interval.microseconds / DAY;
      span(bound, interval.months * (interval.months < 0 ? 31.0 : 28.0) + rest,
          interval.months * (interval.months < 0 ? 28.0 : 31.0) + rest);
    } else if (value instanceof Number && literal.dataType() instanceof YearMonthIntervalType) {
      double months = ((Number) value).doubleValue();
      span(bound, months * (months < 0 ? 31 : 28), months * (months < 0 ? 28 : 31));
    } else exact(literal.dataType(), value, bound);
    return bound;
  }

  public static void exact(DataType type, Object value, Bound bound) {
    double number = value instanceof Number ? ((Number) value).doubleValue()
        : value instanceof Decimal ? ((Decimal) value).toDouble() : Double.NaN;
    boolean micros = type instanceof TimestampType || type instanceof TimestampNTZType
        || type instanceof DayTimeIntervalType;
    if (number == number && !(type instanceof YearMonthIntervalType)) {
      span(bound, micros ? number / DAY : number, micros ? number / DAY : number);
    }
  }

  /** What a stored value is taken to be; arrays in arrays are taken to be shorter. */
  public static Bound nominal(DataType type, int depth, double stored) {
    if (type instanceof DateType || type instanceof TimestampType || type instanceof TimestampNTZType) {
      Bound bound = bytes(FIXED);
      span(bound, FIRST_DAY, LAST_DAY);
      return opened(bound);
    }
    if (fixed(type)) return opened(bytes(FIXED));
    double count = depth == 0 ? 256 : depth == 1 ? 16 : 4;
    if (type instanceof ArrayType) {
      return opened(array(count, nominal(((ArrayType) type).elementType(), depth + 1, stored)));
    }
    if (type instanceof MapType) {
      Bound key = nominal(((MapType) type).keyType(), depth + 1, stored);
      Bound value = nominal(((MapType) type).valueType(), depth + 1, stored);
      return opened(array(count, bytes(key.bytes + value.bytes)));
    }
    if (type instanceof StructType) {
      StructField[] fields = ((StructType) type).fields();
      Bound all = bytes(0);
      for (int place = 0; place < fields.length; place++) {
        all.bytes += nominal(fields[place].dataType(), depth, stored).bytes;
      }
      return opened(all);
    }
    return opened(bytes(stored));
  }

  public static boolean fixed(DataType type) {
    return type instanceof NumericType || type instanceof BooleanType || type instanceof DatetimeType
        || type instanceof CalendarIntervalType || type instanceof DayTimeIntervalType
        || type instanceof YearMonthIntervalType || type instanceof NullType;
  }

  public static Bound fitted(Bound bound, DataType type) { return fixed(type) ? bytes(FIXED) : copy(bound); }

  public static Bound bytes(double size) {
    Bound bound = new Bound();
    bound.bytes = size;
    bound.count = size / ELEMENT;
    return bound;
  }

  public static Bound array(double count, Bound element) {
    Bound bound = bytes(count == 0 ? 0 : count * (element.bytes + ELEMENT));
    bound.count = count;
    bound.element = element;
    return bound;
  }

  public static Bound opened(Bound bound) {
    bound.open = true;
    return bound;
  }

  public static Bound copy(Bound of) { return larger(of, of); }

  public static Bound larger(Bound one, Bound other) {
    Bound bound = bytes(Math.max(one.bytes, other.bytes));
    bound.count = Math.max(one.count, other.count);
    if (one.element != null && other.element != null && one.element != other.element) {
      bound.element = larger(one.element, other.element);
    } else bound.element = one.element != null ? one.element : other.element;
    span(bound, Math.min(one.low, other.low), Math.max(one.high, other.high));
    bound.names = Math.max(one.names, other.names);
    bound.open = one.open || other.open;
    return bound;
  }

  public static boolean is(String name, String names) { return ("," + names + ",").contains("," + name + ","); }

  public static boolean looksAround(String pattern) {
    return pattern.contains("(?=") || pattern.contains("(?!") || pattern.contains("(?<");
  }

  public static String name(Expression expression) {
    if (expression instanceof UnresolvedFunction) {
      return String.valueOf(((UnresolvedFunction) expression).nameParts().last()).toLowerCase();
    }
    if (expression instanceof UnresolvedGenerator) {
      return ((UnresolvedGenerator) expression).name().funcName().toLowerCase();
    }
    return expression.prettyName().toLowerCase();
  }
}
