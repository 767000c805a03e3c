import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.BoundReference;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.catalyst.expressions.InterpretedUnsafeProjection;
import org.apache.spark.sql.catalyst.expressions.JoinedRow;
import org.apache.spark.sql.catalyst.expressions.UnsafeProjection;
import org.apache.spark.sql.catalyst.expressions.UnsafeRow;
import org.apache.spark.sql.catalyst.plans.logical.LocalRelation;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.util.UnsafeRowUtils;
import org.apache.spark.sql.classic.Dataset;
import org.apache.spark.sql.classic.SparkSession;
import org.apache.spark.sql.execution.QueryExecution;
import org.apache.spark.sql.execution.arrow.ArrowConverters$;
import org.apache.spark.sql.types.DataType;

/** See local_rows.py. Rows are equal if Spark's hash joins and aggregates take them for equal: by their bytes. */
public class LocalRows {
    private static final int MANY = 3;

    /** The frame as rows of the plan, if the optimiser finds at most so many there; null if not. */
    public Object literal(Object session, Object frame, int most) {
        LocalRelation found = rows(frame, most);
        return found == null ? null : frame(session, found.newInstance());
    }

    public int count(Object frame) {
        return ((LocalRelation) plan(frame)).data().size();
    }

    /** The frame's rows as rows of the plan; null if there are more than so many. Runs one job. */
    public Object collected(Object session, Object frame, int most) {
        // All partitions at once: by default Spark looks for the first rows in one, and then in ever more.
        ((SparkSession) session).sessionState().conf().setConfString("spark.sql.limit.initialNumPartitions", "1000000");
        final QueryExecution few = ((Dataset) ((Dataset) frame).limit(most + 1)).queryExecution();
        InternalRow[] found = (InternalRow[]) org.apache.spark.sql.execution.SQLExecution$.MODULE$.withNewExecutionId(
            few, scala.Option.apply("collected rows"), new scala.runtime.AbstractFunction0() {
                public Object apply() {
                    return few.executedPlan().executeCollect();
                }
            });
        if (found.length > most) {
            return null;
        }
        List rows = new ArrayList(found.length);
        for (int place = 0; place < found.length; place++) {
            rows.add(found[place]);
        }
        return frame(session, relation(((Dataset) frame).queryExecution().analyzed().output(), rows));
    }

    /** The rows of several frames after each other, under the columns of the first; null if they are not all here. */
    public Object appended(Object session, List frames, int most) {
        List rows = new ArrayList();
        scala.collection.immutable.Seq output = null;
        for (Iterator each = frames.iterator(); each.hasNext();) {
            LocalRelation found = rows(each.next(), most);
            if (found == null || (output != null && !alike(output, found.output()))) {
                return null;
            }
            output = output == null ? nullable(found.output()) : output;
            rows.addAll(listed(found.data()));
        }
        return rows.size() > most ? null : frame(session, relation(output, rows));
    }

    /** Every row once; null if the rows are not here, or not told apart by their bytes. */
    public Object distinct(Object session, Object frame, int most) {
        LocalRelation found = rows(frame, most);
        if (found == null || !comparable(found.output(), null)) {
            return null;
        }
        UnsafeProjection bytes = bytes(found.output(), null);
        Map kept = new LinkedHashMap();
        for (Iterator each = listed(found.data()).iterator(); each.hasNext();) {
            InternalRow row = (InternalRow) each.next();
            kept.putIfAbsent(bytes.apply(row).copy(), row);
        }
        return frame(session, relation(found.output(), new ArrayList(kept.values())));
    }

    /** A join by equal values: `pairs` are names, left and right in turn; NULL is equal to NULL if `nulls`, and to
     * nothing if not; `how` is inner, left, left_semi or left_anti. The columns are the left frame's, for the first two
     * followed by the right frame's. */
    public Object joined(Object session, Object left, Object right, List pairs, boolean nulls, String how, int most) {
        LocalRelation ours = rows(left, most);
        LocalRelation theirs = ours == null ? null : rows(right, most);
        if (theirs == null) {
            return null;
        }
        List ourKeys = new ArrayList();
        List theirKeys = new ArrayList();
        for (int place = 0; place < pairs.size(); place += 2) {
            ourKeys.add(place(ours.output(), (String) pairs.get(place)));
            theirKeys.add(place(theirs.output(), (String) pairs.get(place + 1)));
        }
        if (!comparable(ours.output(), ourKeys) || !comparable(theirs.output(), theirKeys)
            || !sameTypes(ours.output(), ourKeys, theirs.output(), theirKeys)) {
            return null;
        }
        UnsafeProjection bytes = bytes(theirs.output(), theirKeys);
        Map matches = new HashMap();
        for (Iterator each = listed(theirs.data()).iterator(); each.hasNext();) {
            InternalRow row = (InternalRow) each.next();
            UnsafeRow key = bytes.apply(row);
            if (nulls || !key.anyNull()) {
                List same = (List) matches.get(key);
                if (same == null) {
                    same = new ArrayList(1);
                    matches.put(key.copy(), same);
                }
                same.add(row);
            }
        }
        bytes = bytes(ours.output(), ourKeys);
        boolean isLeft = how.equals("left");
        boolean isBoth = isLeft || how.equals("inner");
        InternalRow nothing = new GenericInternalRow(theirs.output().size());
        List rows = new ArrayList();
        for (Iterator each = listed(ours.data()).iterator(); each.hasNext() && rows.size() <= most;) {
            InternalRow row = (InternalRow) each.next();
            UnsafeRow key = bytes.apply(row);
            List same = nulls || !key.anyNull() ? (List) matches.get(key) : null;
            if (!isBoth) {
                if ((same != null) == how.equals("left_semi")) {
                    rows.add(row);
                }
            } else if (same != null) {
                for (Iterator match = same.iterator(); match.hasNext();) {
                    rows.add(new JoinedRow(row, (InternalRow) match.next()));
                }
            } else if (isLeft) {
                rows.add(new JoinedRow(row, nothing));
            }
        }
        if (rows.size() > most) {
            return null;
        }
        List output = listed(ours.output());
        if (isBoth) {
            output.addAll(listed(nullable(theirs.output())));
        }
        return frame(session, relation(seq(output), rows));
    }

    /** The frame's rows in Arrow's stream format; null if they are not here. */
    public byte[] arrow(Object session, Object frame, int most) {
        LocalRelation found = rows(frame, most);
        if (found == null) {
            return null;
        }
        org.apache.spark.sql.internal.SQLConf conf = ((SparkSession) session).sessionState().conf();
        String zone = conf.sessionLocalTimeZone();
        boolean large = conf.arrowUseLargeVarTypes();
        if (found.data().isEmpty()) {
            return ArrowConverters$.MODULE$.createEmptyArrowBatch(found.schema(), zone, true, large);
        }
        UnsafeProjection bytes = bytes(found.output(), null);
        List rows = new ArrayList();
        for (Iterator each = listed(found.data()).iterator(); each.hasNext();) {
            rows.add(bytes.apply((InternalRow) each.next()).copy());
        }
        scala.collection.Iterator batches = ArrowConverters$.MODULE$.toBatchWithSchemaIterator(
            seq(rows).iterator(), found.schema(), 0L, 0L, zone, true, large);
        return (byte[]) batches.next();
    }

    protected LocalRelation rows(Object frame, int most) {
        for (Iterator each = listed(plan(frame).collectLeaves()).iterator(); each.hasNext();) {
            Object leaf = each.next();
            // Of very many rows few may be left, but to find out, all would be evaluated here.
            if (!(leaf instanceof LocalRelation) || ((LocalRelation) leaf).data().size() > MANY * Math.max(most, 1)) {
                return null;
            }
        }
        LogicalPlan found = plan(frame) instanceof LocalRelation
            ? plan(frame) : ((Dataset) frame).queryExecution().optimizedPlan();
        return found instanceof LocalRelation && !found.isStreaming() && ((LocalRelation) found).data().size() <= most
            ? (LocalRelation) found : null;
    }

    protected boolean comparable(scala.collection.Seq output, List places) {
        for (int place = 0; place < output.size(); place++) {
            if (places == null || places.contains(Integer.valueOf(place))) {
                DataType type = ((Attribute) output.apply(place)).dataType();
                boolean floats = type instanceof org.apache.spark.sql.types.FractionalType
                    && !(type instanceof org.apache.spark.sql.types.DecimalType);
                boolean atomic = type instanceof org.apache.spark.sql.types.AtomicType
                    && !(type instanceof org.apache.spark.sql.types.VariantType);
                if (floats || !atomic || !UnsafeRowUtils.isBinaryStable(type)) {
                    return false;
                }
            }
        }
        return true;
    }

    protected boolean sameTypes(scala.collection.Seq one, List ones, scala.collection.Seq other, List others) {
        for (int pair = 0; pair < ones.size(); pair++) {
            DataType left = ((Attribute) one.apply(((Integer) ones.get(pair)).intValue())).dataType();
            if (!left.equals(((Attribute) other.apply(((Integer) others.get(pair)).intValue())).dataType())) {
                return false;
            }
        }
        return true;
    }

    protected boolean alike(scala.collection.Seq one, scala.collection.Seq other) {
        boolean same = one.size() == other.size();
        for (int place = 0; same && place < one.size(); place++) {
            Attribute left = (Attribute) one.apply(place);
            Attribute right = (Attribute) other.apply(place);
            same = left.name().equals(right.name()) && left.dataType().equals(right.dataType());
        }
        return same;
    }

    protected Integer place(scala.collection.Seq output, String name) {
        for (int place = 0; place < output.size(); place++) {
            if (((Attribute) output.apply(place)).name().equals(name)) {
                return Integer.valueOf(place);
            }
        }
        throw new IllegalArgumentException("no column " + name);
    }

    protected UnsafeProjection bytes(scala.collection.Seq output, List places) {
        List wanted = new ArrayList();
        for (int place = 0; place < output.size(); place++) {
            if (places == null) {
                wanted.add(new BoundReference(place, ((Attribute) output.apply(place)).dataType(), true));
            }
        }
        for (int key = 0; places != null && key < places.size(); key++) {
            int place = ((Integer) places.get(key)).intValue();
            wanted.add(new BoundReference(place, ((Attribute) output.apply(place)).dataType(), true));
        }
        return InterpretedUnsafeProjection.createProjection(seq(wanted));
    }

    protected DataType[] types(scala.collection.Seq output) {
        DataType[] found = new DataType[output.size()];
        for (int place = 0; place < found.length; place++) {
            found[place] = ((Attribute) output.apply(place)).dataType();
        }
        return found;
    }

    protected scala.collection.immutable.Seq nullable(scala.collection.Seq output) {
        List found = new ArrayList();
        for (Iterator each = listed(output).iterator(); each.hasNext();) {
            found.add(((Attribute) each.next()).withNullability(true));
        }
        return seq(found);
    }

    protected LocalRelation relation(scala.collection.immutable.Seq output, List rows) {
        LocalRelation made = new LocalRelation(output, seq(rows), false, scala.Option.empty());
        return (LocalRelation) made.newInstance();
    }

    protected LogicalPlan plan(Object frame) {
        return ((Dataset) frame).queryExecution().analyzed();
    }

    protected Object frame(Object session, LogicalPlan plan) {
        return org.apache.spark.sql.classic.Dataset$.MODULE$.ofRows((SparkSession) session, plan);
    }

    protected List listed(scala.collection.Seq found) {
        return new ArrayList(scala.jdk.javaapi.CollectionConverters.asJava(found));
    }

    protected scala.collection.immutable.Seq seq(List items) {
        return scala.jdk.javaapi.CollectionConverters.asScala(items).toSeq();
    }
}
