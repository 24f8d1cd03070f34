import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptAppender;
import puro.Batch;
import puro.Consumer;
import puro.NewRecord;
import puro.Producer;

/** Records a second in Java: {@code Bench CONTESTANT DIR COUNT}, see README.md beside this folder. */
class Bench {
    static final int BATCH = 100;
    static final byte[] VALUE = "v".repeat(100).getBytes(StandardCharsets.UTF_8);
    static final byte[] KEY = "customer".getBytes(StandardCharsets.UTF_8);

    /** What was read: how many records, and how many bytes of values. */
    record Read(long records, long bytes) {}

    interface Store extends AutoCloseable {
        void one(int count) throws Exception;

        void batches(int count) throws Exception;

        Read read() throws Exception;
    }

    static final class Puro implements Store {
        private final Path dir;
        private final Producer producer;
        private final Batch batch = new Batch();

        Puro(Path dir) {
            this.dir = dir;
            producer = Producer.open(dir);
        }

        @Override
        public void one(int count) {
            for (int i = 0; i < count; i++) producer.append(NewRecord.of("orders", VALUE).key(KEY));
        }

        @Override
        public void batches(int count) {
            for (int i = 0; i < count; i += BATCH) {
                batch.clear();
                for (int j = 0; j < BATCH; j++) batch.push(NewRecord.of("orders", VALUE).key(KEY));
                producer.append(batch);
            }
        }

        @Override
        public Read read() throws InterruptedException {
            long records = 0, bytes = 0;
            try (var consumer = Consumer.open(dir)) {
                while (true) {
                    var block = consumer.read(Duration.ZERO);
                    if (block.isEmpty()) return new Read(records, bytes);
                    for (var record : block) bytes += record.value().length;
                    records += block.size();
                }
            }
        }

        @Override
        public void close() {
            batch.close();
            producer.close();
        }
    }

    static final class SqliteJdbc implements Store {
        private final Path dir;
        private final Connection db;
        private final PreparedStatement insert;

        SqliteJdbc(Path dir) throws SQLException {
            this.dir = dir;
            db = connect();
            try (var make = db.createStatement()) {
                make.execute("create table records (offset integer primary key, time integer, topic text, key blob, value blob)");
            }
            insert = db.prepareStatement("insert into records (time, topic, key, value) values (?, ?, ?, ?)");
        }

        private Connection connect() throws SQLException {
            var db = DriverManager.getConnection("jdbc:sqlite:" + dir);
            try (var settings = db.createStatement()) {
                settings.execute("pragma journal_mode = wal");
                settings.execute("pragma synchronous = off");
            }
            return db;
        }

        private void put() throws SQLException {
            insert.setLong(1, System.currentTimeMillis());
            insert.setString(2, "orders");
            insert.setBytes(3, KEY);
            insert.setBytes(4, VALUE);
        }

        @Override
        public void one(int count) throws SQLException {
            for (int i = 0; i < count; i++) {
                put();
                insert.executeUpdate();
            }
        }

        @Override
        public void batches(int count) throws SQLException {
            db.setAutoCommit(false);
            for (int i = 0; i < count; i += BATCH) {
                for (int j = 0; j < BATCH; j++) {
                    put();
                    insert.addBatch();
                }
                insert.executeBatch();
                db.commit();
            }
            db.setAutoCommit(true);
        }

        @Override
        public Read read() throws SQLException {
            long records = 0, bytes = 0;
            try (var db = connect();
                    var ask = db.createStatement();
                    var rows = ask.executeQuery("select offset, time, topic, key, value from records order by offset")) {
                while (rows.next()) {
                    rows.getLong(1);
                    rows.getLong(2);
                    rows.getString(3);
                    rows.getBytes(4);
                    bytes += rows.getBytes(5).length;
                    records++;
                }
            }
            return new Read(records, bytes);
        }

        @Override
        public void close() throws SQLException {
            db.close();
        }
    }

    /** Bytes as they are, which is its fastest way; the offset is its index. It has no batches: each is seen by itself. */
    static final class Chronicle implements Store {
        private final ChronicleQueue queue;
        private final ExcerptAppender appender;
        private final Bytes<?> buffer = Bytes.allocateElasticDirect();

        Chronicle(Path dir) {
            queue = ChronicleQueue.singleBuilder(dir).build();
            appender = queue.createAppender();
        }

        @Override
        public void one(int count) {
            for (int i = 0; i < count; i++) {
                buffer.clear();
                buffer.writeLong(System.currentTimeMillis());
                buffer.writeUtf8("orders");
                buffer.writeInt(KEY.length).write(KEY);
                buffer.writeInt(VALUE.length).write(VALUE);
                appender.writeBytes(buffer);
            }
        }

        @Override
        public void batches(int count) {
            one(count);
        }

        @Override
        public Read read() {
            long records = 0, bytes = 0;
            try (var tailer = queue.createTailer()) {
                while (true) {
                    buffer.clear();
                    if (!tailer.readBytes(buffer)) return new Read(records, bytes);
                    buffer.readLong();
                    buffer.readUtf8();
                    take();
                    bytes += take().length;
                    records++;
                }
            }
        }

        private byte[] take() {
            var bytes = new byte[buffer.readInt()];
            buffer.read(bytes);
            return bytes;
        }

        @Override
        public void close() {
            buffer.releaseLast();
            appender.close();
            queue.close();
        }
    }

    static Store open(String contestant, Path dir) throws Exception {
        return switch (contestant) {
            case "puro" -> new Puro(dir);
            case "sqlite-jdbc" -> new SqliteJdbc(dir);
            case "chronicle" -> new Chronicle(dir);
            default -> throw new IllegalArgumentException(contestant);
        };
    }

    interface Work {
        Read run() throws Exception;
    }

    private static void measure(boolean tell, String name, long records, Work work) throws Exception {
        long begun = System.nanoTime();
        var done = work.run();
        double seconds = (System.nanoTime() - begun) / 1e9;
        if (done != null && !done.equals(new Read(records, records * VALUE.length))) throw new AssertionError(done);
        if (tell) System.out.println(name + " " + records / seconds);
    }

    private static void round(String contestant, Path dir, int count, boolean tell) throws Exception {
        try (var store = open(contestant, dir)) {
            measure(tell, "one", count / 10, () -> {
                store.one(count / 10);
                return null;
            });
            measure(tell, "batches", count, () -> {
                store.batches(count);
                return null;
            });
            measure(tell, "read", count + count / 10, store::read);
        }
    }

    public static void main(String[] arguments) throws Exception {
        var dir = Files.createDirectory(Path.of(arguments[1]));
        int count = Integer.parseInt(arguments[2]);
        // What is compiled while it runs is compiled before it is measured.
        round(arguments[0], dir.resolve("warm"), count, false);
        round(arguments[0], dir.resolve("store"), count, true);
    }
}
