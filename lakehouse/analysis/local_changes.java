import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.AttributeReference;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.catalyst.expressions.NamedExpression$;
import org.apache.spark.sql.catalyst.expressions.UnsafeProjection;
import org.apache.spark.sql.catalyst.expressions.UnsafeRow;
import org.apache.spark.sql.catalyst.plans.logical.LocalRelation;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.Metadata;
import org.apache.spark.unsafe.types.UTF8String;

/** See local_changes.py: what rows that come and go, being rows of the plan, mean for a table. */
public class LocalChanges extends LocalRows {
    private static final String WEIGHT = "__w";

    /** Every row once with the sum of its signs, the last column, if that is not 0; `form` says how: `sum`, `unit` for
     * as often as that says with +1 or -1, `counts` for two columns, how often it goes and how often it comes (rows
     * that do both as often are left out). */
    public Object netted(Object session, Object frame, String form, int most) {
        LocalRelation found = rows(frame, most);
        if (found == null) {
            return null;
        }
        int sign = found.output().size() - 1;
        List values = new ArrayList();
        for (int place = 0; place < sign; place++) {
            values.add(Integer.valueOf(place));
        }
        if (!((Attribute) found.output().apply(sign)).name().equals(WEIGHT) || !comparable(found.output(), values)) {
            return null;
        }
        UnsafeProjection bytes = bytes(found.output(), values);
        Map first = new LinkedHashMap();
        Map counts = new HashMap();
        for (Iterator each = listed(found.data()).iterator(); each.hasNext();) {
            InternalRow row = (InternalRow) each.next();
            UnsafeRow key = bytes.apply(row);
            int[] count = (int[]) counts.get(key);
            if (count == null) {
                count = new int[2];
                Object kept = key.copy();
                counts.put(kept, count);
                first.put(kept, row);
            }
            count[row.getInt(sign) < 0 ? 0 : 1] += Math.abs(row.getInt(sign));
        }
        boolean both = form.equals("counts");
        boolean unit = form.equals("unit");
        List rows = new ArrayList();
        DataType[] types = types(found.output());
        for (Iterator each = first.entrySet().iterator(); each.hasNext();) {
            Map.Entry entry = (Map.Entry) each.next();
            int[] count = (int[]) counts.get(entry.getKey());
            int sum = count[1] - count[0];
            Object[] cells = cells((InternalRow) entry.getValue(), sign, types, both ? 2 : 1);
            cells[sign] = Integer.valueOf(both ? count[0] : unit ? (sum > 0 ? 1 : -1) : sum);
            if (both) {
                cells[sign + 1] = Integer.valueOf(count[1]);
            }
            int times = sum == 0 ? 0 : unit ? Math.abs(sum) : 1;
            for (int copy = 0; copy < times; copy++) {
                rows.add(new GenericInternalRow(cells));
            }
        }
        if (rows.size() > most) {
            return null;
        }
        List output = listed(found.output()).subList(0, sign);
        output.add(both ? column("__old", DataTypes.IntegerType) : found.output().apply(sign));
        if (both) {
            output.add(column("__new", DataTypes.IntegerType));
        }
        return frame(session, relation(seq(output), rows));
    }

    /** Of netted rows, whose last column is the sign: every row that comes, as `update` where one of its key goes and
     * as `insert` where none does, and the others that go as `delete`; the word in a column of the name `word`. Of the
     * row that another replaces, or that goes, the columns `hidden` stand before it under `was` and their names. */
    public Object paired(Object session, Object frame, List keys, List hidden, String was, String word, int most) {
        LocalRelation found = rows(frame, most);
        if (found == null) {
            return null;
        }
        List places = new ArrayList();
        for (Iterator each = keys.iterator(); each.hasNext();) {
            places.add(place(found.output(), (String) each.next()));
        }
        if (!comparable(found.output(), places)) {
            return null;
        }
        int sign = found.output().size() - 1;
        List output = listed(found.output()).subList(0, sign);
        int[] kept = new int[hidden.size()];
        for (int number = 0; number < kept.length; number++) {
            kept[number] = place(found.output(), (String) hidden.get(number)).intValue();
            Attribute shown = (Attribute) found.output().apply(kept[number]);
            output.add(shown.withName(was + shown.name()).withNullability(true));
        }
        output.add(column(word, DataTypes.StringType));
        UnsafeProjection bytes = bytes(found.output(), places);
        Map gone = new LinkedHashMap();
        List rows = listed(found.data());
        for (Iterator each = rows.iterator(); each.hasNext();) {
            InternalRow row = (InternalRow) each.next();
            if (row.getInt(sign) < 0 && gone.put(bytes.apply(row).copy(), row) != null) {
                return null; // not a key
            }
        }
        DataType[] types = types(found.output());
        List changes = new ArrayList();
        for (Iterator each = rows.iterator(); each.hasNext();) {
            InternalRow row = (InternalRow) each.next();
            if (row.getInt(sign) > 0) {
                InternalRow before = (InternalRow) gone.remove(bytes.apply(row));
                changes.add(change(row, before, sign, kept, types, before == null ? "insert" : "update"));
            }
        }
        for (Iterator each = gone.values().iterator(); each.hasNext();) {
            InternalRow row = (InternalRow) each.next();
            changes.add(change(row, row, sign, kept, types, "delete"));
        }
        return frame(session, relation(seq(output), changes));
    }

    /** Of distinct rows, whose last two columns count how often they are there and have to be: removals and insertions,
     * in a column of the name `word`. */
    public Object repeated(Object session, Object frame, String word, int most) {
        LocalRelation found = rows(frame, most);
        if (found == null) {
            return null;
        }
        int count = found.output().size() - 2;
        List output = listed(found.output()).subList(0, count);
        output.add(column(word, DataTypes.StringType));
        DataType[] types = types(found.output());
        List changes = new ArrayList();
        for (Iterator each = listed(found.data()).iterator(); each.hasNext();) {
            InternalRow row = (InternalRow) each.next();
            int old = row.getInt(count);
            int wanted = row.getInt(count + 1);
            if (wanted < old) {
                changes.add(change(row, null, count, new int[0], types, "remove"));
            }
            for (int copy = wanted > old ? old : 0; copy < wanted; copy++) {
                changes.add(change(row, null, count, new int[0], types, "insert"));
            }
            if (changes.size() > most) {
                return null;
            }
        }
        return frame(session, relation(seq(output), changes));
    }

    private InternalRow change(InternalRow row, InternalRow before, int sign, int[] kept, DataType[] types, String word) {
        Object[] cells = cells(row, sign, types, kept.length + 1);
        for (int number = 0; number < kept.length; number++) {
            cells[sign + number] = before == null ? null : before.get(kept[number], types[kept[number]]);
        }
        cells[sign + kept.length] = UTF8String.fromString(word);
        return new GenericInternalRow(cells);
    }

    /** The first `count` values of a row, and place for more. */
    private Object[] cells(InternalRow row, int count, DataType[] types, int more) {
        Object[] cells = new Object[count + more];
        for (int place = 0; place < count; place++) {
            cells[place] = row.get(place, types[place]);
        }
        return cells;
    }

    private Attribute column(String name, DataType type) {
        return new AttributeReference(name, type, false, Metadata.empty(),
            NamedExpression$.MODULE$.newExprId(), seq(new ArrayList()));
    }
}
