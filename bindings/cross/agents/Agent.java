import java.nio.file.Path;
import java.util.HexFormat;
import java.util.stream.Collectors;
import puro.Batch;
import puro.Consumer;
import puro.NewRecord;
import puro.Producer;

/** The part of Java: see ../README.md. */
class Agent {
    public static void main(String[] arguments) {
        var stream = Path.of(arguments[1]);
        switch (arguments[0]) {
            case "write" -> write(stream, arguments[2], Long.parseLong(arguments[3]));
            case "relay" -> relay(stream, arguments[2]);
            default -> read(stream);
        }
    }

    private static void write(Path stream, String identity, long count) {
        try (var producer = Producer.options(stream).durable(true).open(); var batch = new Batch()) {
            long last = producer.lastSequence(identity).orElse(0);
            for (long sequence = last + 1; sequence <= count; sequence++) {
                batch.clear();
                for (var half : new String[] {"a", "b"}) {
                    var value = identity + ":" + sequence + ":" + half;
                    batch.push(NewRecord.of("in", value).key(identity).header("by", "java"));
                }
                producer.transaction(batch).once(identity, sequence).commit();
            }
        }
    }

    private static void relay(Path stream, String name) {
        var relay = Consumer.options(stream).topics("in", "stop").name(name).commitByHand().ownerWaitForever();
        try (var producer = Producer.open(stream); var batch = new Batch(); var consumer = relay.open()) {
            for (var record : consumer) {
                if (record.topic().equals("stop")) return;
                batch.clear();
                batch.push(NewRecord.of("out", record.value()).header("by", "java"));
                producer.transaction(batch).position(consumer).commit();
            }
        }
    }

    private static String hexed(byte[] field) {
        return field == null ? "-" : "x" + HexFormat.of().formatHex(field);
    }

    private static void read(Path stream) {
        var lines = new StringBuilder();
        try (var consumer = Consumer.open(stream)) {
            for (var it : consumer.available()) {
                var headers = it.headers().stream().map(header -> header.name() + "=" + hexed(header.value()));
                lines.append(String.join("\t", "" + it.offset(), "" + it.time().toEpochMilli(), it.topic(),
                        hexed(it.key()), hexed(it.value()), headers.collect(Collectors.joining(",")))).append('\n');
            }
        }
        System.out.print(lines);
    }
}
