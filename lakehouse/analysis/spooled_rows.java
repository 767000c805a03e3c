import java.io.BufferedOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.Timer;
import java.util.TimerTask;

import org.apache.spark.SimpleFutureAction;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.python.PythonRDD$;
import org.apache.spark.rdd.RDD;
import org.apache.spark.storage.BlockManager;
import org.apache.spark.storage.BlockResult;
import org.apache.spark.storage.RDDBlockId;
import org.apache.spark.storage.StorageLevel;
import scala.runtime.AbstractFunction0;
import scala.runtime.AbstractFunction1;
import scala.runtime.AbstractFunction2;
import scala.runtime.BoxedUnit;

/** See spooled_rows.py. Compiled when first used. */
public class SpooledRows {
    private static final int END = 0;
    private static final int FAILED = -1;
    private static final int TOO_LARGE = -2;
    private static final long LOOK_MILLIS = 200;
    private static final int MOST_TRIALS = 4; // as often as Spark starts a task before it gives up

    private final Timer timer = new Timer("spooled-rows", true);

    /**
     * Port, secret and server of a socket that gives the frame's rows: each Arrow batch after its length, then END.
     * FAILED in place of a length says that the server's result is an exception; TOO_LARGE that more than `most` bytes
     * would wait on disk.
     */
    public Object[] serve(Object frame, long most) {
        RDD rows = ((org.apache.spark.sql.classic.Dataset) frame).toArrowBatchRdd();
        return PythonRDD$.MODULE$.serveToStream("spooled-rows", new Sending(rows, most, timer));
    }

    /** Sends the partitions of an RDD in order, while those that come next are computed. */
    public static class Sending extends AbstractFunction1 {
        private final RDD rows;
        private final long most;
        private final Timer timer;
        private final BlockManager blocks = SparkEnv.get().blockManager();
        private final int partitions;
        private final int atOnce;
        private int asked; // partitions that have been asked for
        private volatile Job job; // of the partition that is being sent
        private volatile Job next; // of those after it, once all of `job` are there
        private volatile int sent; // partitions
        private volatile boolean tooLarge;

        public Sending(RDD rows, long most, Timer timer) {
            this.rows = rows;
            this.most = most;
            this.timer = timer;
            this.partitions = rows.getNumPartitions();
            this.atOnce = Math.max(2, rows.context().defaultParallelism());
        }

        public Object apply(Object stream) throws Throwable {
            DataOutputStream out = new DataOutputStream(new BufferedOutputStream((OutputStream) stream, 1 << 16));
            rows.persist(StorageLevel.DISK_ONLY());
            Watch watch = new Watch(this);
            if (rows.context().isLocal()) timer.schedule(watch, LOOK_MILLIS, LOOK_MILLIS);
            try {
                for (sent = 0; sent < partitions; sent++) {
                    if (job == null || sent == job.end) {
                        job = next != null ? next : started();
                        next = null;
                    }
                    job.await(sent);
                    send(sent, out);
                }
                out.writeInt(END);
                out.flush();
            } catch (Throwable error) {
                out.writeInt(tooLarge ? TOO_LARGE : FAILED); // fails once more where nobody reads any more
                out.flush();
                // The server waits for ever for the result of a function that ends with an Error.
                throw error instanceof Error ? new IllegalStateException(error) : error;
            } finally {
                watch.cancel();
                cancel();
                rows.unpersist(false);
            }
            return BoxedUnit.UNIT;
        }

        private void send(int partition, DataOutputStream out) throws IOException {
            RDDBlockId block = new RDDBlockId(rows.id(), partition);
            BlockResult found = stored(block);
            boolean done = false;
            try {
                scala.collection.Iterator batches = found.data();
                while (batches.hasNext()) {
                    byte[] batch = (byte[]) batches.next();
                    out.writeInt(batch.length);
                    out.write(batch);
                    ahead();
                }
                done = true;
            } finally {
                // A block of this machine that was not read to its end stays locked, and could never be removed.
                if (!done && blocks.getStatus(block).isDefined()) blocks.releaseLock(block, scala.Option.empty());
            }
            blocks.master().removeBlock(block);
        }

        /** What a task left on disk; computed again where an executor was lost with it. */
        private BlockResult stored(RDDBlockId block) {
            for (int trial = 0; trial < MOST_TRIALS; trial++) {
                scala.Option found = blocks.get(block, rows.elementClassTag());
                if (found.isDefined()) return (BlockResult) found.get();
                Job again = new Job(block.splitIndex(), block.splitIndex() + 1);
                again.start(rows);
                again.await(block.splitIndex());
            }
            throw new IllegalStateException("partition " + block.splitIndex() + " is lost again and again");
        }

        /** Computes the next partitions once those before are all there: no more than these wait on disk. */
        private void ahead() {
            if (next == null && asked < partitions && job.action.isCompleted()) next = started();
        }

        private Job started() {
            if (tooLarge) throw new IllegalStateException("too much waits already");
            Job made = new Job(asked, Math.min(partitions, asked + atOnce));
            asked = made.end;
            made.start(rows);
            return made;
        }

        /** Ends what is still computed; answers whether anything was. */
        private boolean cancel() {
            boolean ended = false;
            Job[] known = new Job[] {job, next};
            for (int place = 0; place < known.length; place++) {
                if (known[place] == null || known[place].action.isCompleted()) continue;
                known[place].action.cancel();
                ended = true;
            }
            return ended;
        }

        /** How many bytes of partitions that are not sent yet are in files of this machine. */
        long waiting() {
            long found = 0;
            int end = Math.min(partitions, sent + 2 * atOnce);
            for (int partition = sent; partition < end; partition++) {
                found += blocks.diskBlockManager().getFile(new RDDBlockId(rows.id(), partition)).length();
            }
            return found;
        }

        void look() {
            if (!tooLarge && waiting() > most) tooLarge = cancel();
        }
    }

    /** A job that stores some partitions. Is told of each as it is stored. */
    public static class Job extends AbstractFunction2 {
        final int first;
        final int end;
        SimpleFutureAction action;
        private final boolean[] stored;

        public Job(int first, int end) {
            this.first = first;
            this.end = end;
            this.stored = new boolean[end - first];
        }

        void start(RDD rows) {
            ArrayList numbers = new ArrayList();
            for (int number = first; number < end; number++) numbers.add(Integer.valueOf(number));
            // Rows are stored when a task asks for them; it has no use for them itself. Code of ours would have to be
            // sent to the executors, but an empty set is a function, too: whatever it is given, it has not.
            action = rows.context().submitJob(rows, (scala.Function1) scala.collection.immutable.Set$.MODULE$.empty(),
                scala.jdk.javaapi.CollectionConverters.asScala(numbers).toSeq(), this, new Nothing());
        }

        public synchronized Object apply(Object place, Object result) {
            stored[((Integer) place).intValue()] = true;
            notifyAll();
            return BoxedUnit.UNIT;
        }

        /** Until a partition is stored. Raises what the job failed with. */
        synchronized void await(int partition) {
            while (!stored[partition - first]) {
                boolean over = action.isCompleted();
                if (over && ((scala.util.Try) action.value().get()).isFailure()) {
                    ((scala.util.Try) action.value().get()).get();
                }
                try {
                    wait(over ? 1 : 50);
                } catch (InterruptedException interrupted) {
                    throw new IllegalStateException("interrupted");
                }
            }
        }
    }

    /** What a job answers as a whole. */
    public static class Nothing extends AbstractFunction0 {
        public Object apply() {
            return BoxedUnit.UNIT;
        }
    }

    /** Looks now and then how much waits, also while the one who sends is kept waiting by who reads. */
    public static class Watch extends TimerTask {
        private final Sending sending;

        public Watch(Sending sending) {
            this.sending = sending;
        }

        public void run() {
            try {
                sending.look();
            } catch (Throwable ended) { // would end the timer, and with it every watch to come
                cancel();
            }
        }
    }
}
