// The Java client and Kafka Streams against a gateway: `java -cp 'lib/*' Scenarios.java HOST:PORT`.

import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;

public class Scenarios {
    static String bootstrap;
    static final long PATIENCE = 30_000;

    interface Scenario { void run() throws Exception; }

    static String fresh(String name) { return name + "-" + UUID.randomUUID().toString().substring(0, 8); }

    static void until(BooleanSupplier look, String what) {
        long end = System.currentTimeMillis() + PATIENCE;
        while (System.currentTimeMillis() < end) if (look.getAsBoolean()) return;
        throw new AssertionError("waited in vain for " + what);
    }

    static void same(Object found, Object expected) {
        if (!Objects.equals(found, expected)) throw new AssertionError(found + " instead of " + expected);
    }

    static KafkaProducer<String, String> producer(Object... more) {
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", bootstrap));
        for (int n = 0; n < more.length; n += 2) settings.put((String) more[n], more[n + 1]);
        return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(String group, Object... more) {
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "group.id", group,
            "auto.offset.reset", "earliest", "enable.auto.commit", false, "fetch.max.wait.ms", 200,
            "heartbeat.interval.ms", 300));
        for (int n = 0; n < more.length; n += 2) settings.put((String) more[n], more[n + 1]);
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    static void send(KafkaProducer<String, String> sender, String topic, List<String> values) throws Exception {
        List<java.util.concurrent.Future<RecordMetadata>> sent = new ArrayList<>();
        for (String value : values) sent.add(sender.send(new ProducerRecord<>(topic, value)));
        sender.flush();
        for (var one : sent) one.get();
    }

    static void sendAll(String topic, List<String> values, Object... more) throws Exception {
        try (var sender = producer(more)) { send(sender, topic, values); }
    }

    static List<String> allOf(String topic, Object... more) {
        try (var reader = consumer(fresh("reader"), more)) {
            var part = new TopicPartition(topic, 0);
            reader.assign(List.of(part));
            reader.seekToBeginning(List.of(part));
            long end = reader.endOffsets(List.of(part)).get(part);
            List<String> values = new ArrayList<>();
            until(() -> {
                if (reader.position(part) >= end) return true;
                reader.poll(Duration.ofMillis(200)).forEach(it -> values.add(it.value()));
                return reader.position(part) >= end;
            }, "the end of " + topic);
            return values;
        }
    }

    static List<String> numbers(int count) {
        List<String> values = new ArrayList<>();
        for (int n = 0; n < count; n++) values.add("" + n);
        return values;
    }

    static void codecs() throws Exception {
        String topic = fresh("codecs");
        List<String> expected = new ArrayList<>();
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd"))
            for (String acks : List.of("0", "1", "all")) {
                List<String> values = new ArrayList<>();
                for (int n = 0; n < 20; n++) values.add((codec + " " + acks + " " + n + " ").repeat(20));
                sendAll(topic, values, "compression.type", codec, "acks", acks,
                    "enable.idempotence", acks.equals("all"));
                expected.addAll(values);
            }
        List<String> found = allOf(topic);
        Collections.sort(found);
        Collections.sort(expected);
        same(found, expected);
    }

    static void idempotent() throws Exception {
        String topic = fresh("idempotent");
        sendAll(topic, numbers(2000), "batch.size", 200);
        same(allOf(topic), numbers(2000));
    }

    static void transactions() throws Exception {
        String topic = fresh("txn");
        try (var sender = producer("transactional.id", fresh("id"))) {
            sender.initTransactions();
            sender.beginTransaction();
            send(sender, topic, List.of("gone"));
            sender.abortTransaction();
            sender.beginTransaction();
            send(sender, topic, List.of("a", "b"));
            same(allOf(topic), List.of());
            sender.commitTransaction();
        }
        same(allOf(topic, "isolation.level", "read_committed"), List.of("a", "b"));
    }

    static void transform() throws Exception {
        String source = fresh("source"), target = fresh("target");
        sendAll(source, List.of("1", "2"));
        try (var reader = consumer(fresh("group")); var sender = producer("transactional.id", fresh("id"))) {
            reader.subscribe(List.of(source));
            List<String> values = new ArrayList<>();
            until(() -> {
                reader.poll(Duration.ofMillis(200)).forEach(it -> values.add(it.value() + "!"));
                return values.size() == 2;
            }, "two records");
            sender.initTransactions();
            sender.beginTransaction();
            send(sender, target, values);
            var part = new TopicPartition(source, 0);
            var place = Map.of(part, new OffsetAndMetadata(reader.position(part)));
            sender.sendOffsetsToTransaction(place, reader.groupMetadata());
            sender.commitTransaction();
            same(reader.committed(Set.of(part)).get(part).offset(), reader.position(part));
        }
        same(allOf(target), List.of("1!", "2!"));
    }

    static void fence() throws Exception {
        String topic = fresh("fence"), id = fresh("id");
        try (var first = producer("transactional.id", id); var second = producer("transactional.id", id)) {
            first.initTransactions();
            first.beginTransaction();
            send(first, topic, List.of("zombie"));
            second.initTransactions();
            try {
                first.commitTransaction();
                throw new AssertionError("the first was not fenced");
            } catch (ProducerFencedException | InvalidProducerEpochException fine) { }
            second.beginTransaction();
            send(second, topic, List.of("second"));
            second.commitTransaction();
        }
        same(allOf(topic), List.of("second"));
    }

    static void restart() throws Exception {
        String topic = fresh("restart"), group = fresh("group");
        for (String value : List.of("1", "2")) {
            sendAll(topic, List.of(value));
            try (var reader = consumer(group)) {
                reader.subscribe(List.of(topic));
                List<String> values = new ArrayList<>();
                until(() -> {
                    reader.poll(Duration.ofMillis(200)).forEach(it -> values.add(it.value()));
                    return !values.isEmpty();
                }, "a record");
                same(values, List.of(value));
                reader.commitSync();
            }
        }
    }

    static void rebalance(String strategy, Object... more) throws Exception {
        List<String> topics = List.of(fresh("two"), fresh("two"));
        String group = fresh("group");
        for (String topic : topics) sendAll(topic, List.of("x"));
        List<KafkaConsumer<String, String>> members = new ArrayList<>();
        for (int n = 0; n < 2; n++) {
            List<Object> settings = new ArrayList<>(List.of(more));
            settings.addAll(List.of("partition.assignment.strategy", strategy));
            if (!settings.contains("group.instance.id")) members.add(consumer(group, settings.toArray()));
            members.get(n).subscribe(topics);
        }
        until(() -> {
            members.forEach(it -> it.poll(Duration.ofMillis(50)));
            return members.stream().allMatch(it -> it.assignment().size() == 1);
        }, "one topic each");
        members.remove(1).close();
        until(() -> {
            members.get(0).poll(Duration.ofMillis(50));
            return members.get(0).assignment().size() == 2;
        }, "both topics for the one that is left");
        members.get(0).close();
    }

    static void byTime() throws Exception {
        String topic = fresh("time");
        sendAll(topic, List.of("before"));
        Thread.sleep(50);
        long moment = System.currentTimeMillis();
        Thread.sleep(50);
        sendAll(topic, List.of("after"));
        try (var reader = consumer(fresh("group"))) {
            var part = new TopicPartition(topic, 0);
            reader.assign(List.of(part));
            reader.seek(part, reader.offsetsForTimes(Map.of(part, moment)).get(part).offset());
            List<String> values = new ArrayList<>();
            until(() -> {
                reader.poll(Duration.ofMillis(200)).forEach(it -> values.add(it.value()));
                return !values.isEmpty();
            }, "a record");
            same(values, List.of("after"));
        }
    }

    static void admin() throws Exception {
        String topic = fresh("made"), group = fresh("group");
        try (var admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            var made = new NewTopic(topic, 1, (short) 1).configs(Map.of("cleanup.policy", "compact"));
            admin.createTopics(List.of(made)).all().get();
            try {
                admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get();
                throw new AssertionError("made twice");
            } catch (ExecutionException error) { same(error.getCause().getClass(), TopicExistsException.class); }
            same(admin.listTopics().names().get().contains(topic), true);
            same(admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size(), 1);
            var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            var config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
            same(config.get("cleanup.policy").value(), "compact");
            same(admin.describeCluster().nodes().get().size(), 1);
            try (var sender = producer()) { sender.send(new ProducerRecord<>(topic, "k", "x")).get(); }
            try (var reader = consumer(group)) {
                reader.subscribe(List.of(topic));
                until(() -> !reader.poll(Duration.ofMillis(200)).isEmpty(), "a record");
                reader.commitSync();
                var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
                same(described.members().size(), 1);
            }
            var offsets = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
            same(offsets.containsKey(new TopicPartition(topic, 0)), true);
            admin.deleteConsumerGroups(List.of(group)).all().get();
        }
    }

    static KafkaStreams wordCount(String id, String source, String target) {
        var builder = new StreamsBuilder();
        builder.<String, String>stream(source)
            .flatMapValues(line -> List.of(line.split(" ")))
            .groupBy((key, word) -> word)
            .count(Materialized.as("counts"))
            .toStream()
            .mapValues(String::valueOf)
            .to(target);
        var settings = new Properties();
        settings.putAll(Map.of("application.id", id, "bootstrap.servers", bootstrap,
            "processing.guarantee", "exactly_once_v2", "commit.interval.ms", 100,
            "default.key.serde", Serdes.StringSerde.class, "default.value.serde", Serdes.StringSerde.class,
            "state.dir", System.getProperty("java.io.tmpdir") + "/" + fresh("state"),
            "consumer.auto.offset.reset", "earliest", "consumer.session.timeout.ms", 6000));
        return new KafkaStreams(builder.build(), settings);
    }

    static void streams() throws Exception {
        String id = fresh("app"), source = fresh("lines"), target = fresh("words");
        sendAll(source, List.of("a b a", "b a"));
        for (int round = 0; round < 2; round++) {
            // The second run has no state but what the first one left in the stream.
            var app = wordCount(id, source, target);
            app.start();
            String expected = round == 0 ? "3" : "4";
            if (round == 1) sendAll(source, List.of("a"));
            until(() -> allOf(target).contains(expected), "the count of a");
            app.close(Duration.ofSeconds(5));
        }
        Map<String, String> counts = new TreeMap<>();
        try (var reader = consumer(fresh("reader"))) {
            var part = new TopicPartition(target, 0);
            reader.assign(List.of(part));
            reader.seekToBeginning(List.of(part));
            long end = reader.endOffsets(List.of(part)).get(part);
            until(() -> {
                reader.poll(Duration.ofMillis(100)).forEach(it -> counts.put(it.key(), it.value()));
                return reader.position(part) >= end;
            }, "the counts");
        }
        same(counts, Map.of("a", "4", "b", "2"));
    }

    public static void main(String[] arguments) {
        bootstrap = arguments[0];
        Map<String, Scenario> scenarios = new LinkedHashMap<>();
        scenarios.put("produce acks and codecs", Scenarios::codecs);
        scenarios.put("produce idempotent", Scenarios::idempotent);
        scenarios.put("transactions", Scenarios::transactions);
        scenarios.put("transform exactly once", Scenarios::transform);
        scenarios.put("a second producer fences", Scenarios::fence);
        scenarios.put("group goes on after restart", Scenarios::restart);
        scenarios.put("group of two and rebalance", () -> rebalance(RoundRobinAssignor.class.getName()));
        scenarios.put("the same, cooperatively", () -> rebalance(CooperativeStickyAssignor.class.getName()));
        scenarios.put("seek by time", Scenarios::byTime);
        scenarios.put("admin", Scenarios::admin);
        scenarios.put("streams word count", Scenarios::streams);
        int failed = 0;
        for (var scenario : scenarios.entrySet()) {
            long begun = System.currentTimeMillis();
            String verdict = "pass";
            try {
                scenario.getValue().run();
            } catch (Throwable error) {
                error.printStackTrace();
                verdict = "FAIL";
                failed++;
            }
            double took = (System.currentTimeMillis() - begun) / 1000.0;
            System.out.printf(Locale.ROOT, "%-18s %-28s %s %6.2f s%n", "java", scenario.getKey(), verdict, took);
        }
        System.exit(failed == 0 ? 0 : 1);
    }
}
