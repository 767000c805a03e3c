import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.execution.datasources.FileStatusCache;
import org.apache.spark.sql.execution.datasources.HadoopFsRelation;
import org.apache.spark.sql.execution.datasources.InMemoryFileIndex;
import org.apache.spark.sql.execution.datasources.LogicalRelation;
import org.apache.spark.sql.execution.datasources.PartitionPath;
import org.apache.spark.sql.execution.datasources.PartitionSpec;
import org.apache.spark.sql.execution.datasources.PartitioningAwareFileIndex;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;

/** See stamped_files.py. Compiled when first used. */
public class StampedFiles {
    /**
     * The frame, which reads files and does nothing else, with further columns: the first of `columns` (as DDL) holds
     * the value of each file, the others hold `numbers` (as Spark keeps them inside). `files` are path and value in
     * turn, with NUL between them. Null if the frame is another one or reads other files.
     */
    public Object stamped(Object frame, String files, String columns, String numbers) {
        LogicalPlan plan = ((org.apache.spark.sql.classic.Dataset) frame).queryExecution().analyzed();
        if (!(plan instanceof LogicalRelation) || !(((LogicalRelation) plan).relation() instanceof HadoopFsRelation)) {
            return null;
        }
        HadoopFsRelation read = (HadoopFsRelation) ((LogicalRelation) plan).relation();
        if (!(read.location() instanceof InMemoryFileIndex) || !read.partitionSchema().isEmpty()) {
            return null;
        }
        InMemoryFileIndex listed = (InMemoryFileIndex) read.location();
        Map values = new HashMap();
        String[] parts = files.split("\0", -1);
        for (int place = 0; place + 1 < parts.length; place += 2) {
            values.put(new Path(parts[place]).toString(), parts[place + 1]);
        }
        String[] constants = numbers.isEmpty() ? new String[0] : numbers.split(",");
        List partitions = new ArrayList();
        Map children = new HashMap();
        Iterator found = scala.jdk.javaapi.CollectionConverters.asJava(listed.leafFiles().values()).iterator();
        while (found.hasNext()) {
            FileStatus file = (FileStatus) found.next();
            String value = (String) values.remove(file.getPath().toString());
            if (value == null) {
                return null;
            }
            GenericInternalRow row = new GenericInternalRow(1 + constants.length);
            row.update(0, UTF8String.fromString(value));
            for (int place = 0; place < constants.length; place++) {
                row.update(place + 1, Long.valueOf(constants[place]));
            }
            partitions.add(new PartitionPath(row, file.getPath()));
            children.put(file.getPath(), new FileStatus[] {file});
        }
        if (!values.isEmpty()) {
            return null;
        }
        PartitionSpec stamps = new PartitionSpec(StructType.fromDDL(columns), seq(partitions));
        Index index = new Index(read.sparkSession(), listed, stamps, map(children));
        return read.sparkSession().baseRelationToDataFrame(new HadoopFsRelation(index, stamps.partitionColumns(),
            read.dataSchema(), read.bucketSpec(), read.fileFormat(), read.options(), read.sparkSession()));
    }

    /** Every file is a partition of its own: Spark gives each row the values of its partition while reading it. */
    public static class Index extends PartitioningAwareFileIndex {
        private final InMemoryFileIndex listed;
        private final PartitionSpec stamps;
        private final scala.collection.immutable.Map children;

        public Index(org.apache.spark.sql.SparkSession session, InMemoryFileIndex listed, PartitionSpec stamps,
                scala.collection.immutable.Map children) {
            super(session, map(new HashMap()), scala.Option.empty(),
                org.apache.spark.sql.execution.datasources.NoopCache$.MODULE$);
            this.listed = listed;
            this.stamps = stamps;
            this.children = children;
        }

        public PartitionSpec partitionSpec() {
            return stamps;
        }

        public scala.collection.mutable.LinkedHashMap leafFiles() {
            return listed.leafFiles();
        }

        public scala.collection.immutable.Map leafDirToChildrenFiles() {
            return children;
        }

        public scala.collection.immutable.Seq rootPaths() {
            return listed.rootPaths();
        }

        /** The files are those of the load, whatever lies there later. */
        public void refresh() {
        }
    }

    private static scala.collection.immutable.Seq seq(List items) {
        return scala.jdk.javaapi.CollectionConverters.asScala(items).toSeq();
    }

    private static scala.collection.immutable.Map map(Map items) {
        return (scala.collection.immutable.Map) scala.collection.immutable.Map$.MODULE$.from(
            scala.jdk.javaapi.CollectionConverters.asScala(items));
    }
}
