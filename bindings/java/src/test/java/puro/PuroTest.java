package puro;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import puro.PuroException.Code;

/** Puro for Java, by its public API alone. */
class PuroTest {
    @TempDir Path scratch;
    private Path stream;

    @BeforeEach
    void stream() {
        stream = scratch.resolve("events");
    }

    private void fill(String... values) {
        try (var producer = Producer.open(stream)) {
            for (var value : values) producer.append(NewRecord.of("in", value));
        }
    }

    private List<String> values(Consumer.Options options) {
        try (var consumer = options.open()) {
            var values = new ArrayList<String>();
            for (var record : consumer.available()) values.add(record.text());
            return values;
        }
    }

    private Consumer.Options from(Start start) {
        return Consumer.options(stream).start(start);
    }

    private static Code told(Runnable call) {
        return assertThrows(PuroException.class, call::run).code();
    }

    @Test
    void aRecordComesBackAsItWentIn() throws Exception {
        try (var producer = Producer.options(stream).durable(true).segmentBytes(8192).open();
                var batch = new Batch()) {
            var appended = producer.append(
                    NewRecord.of("orders", "3 apples").key("c-7").header("by", "shop").header("by", ""));
            assertEquals(0, appended.firstOffset());
            batch.push(NewRecord.of("audit", "")).push(NewRecord.deleteMarker("orders", "c-7"));
            assertEquals(2, producer.append(batch).recordCount());
            assertEquals(2, batch.size());
            try (var consumer = Consumer.open(stream)) {
                var first = consumer.poll().orElseThrow();
                var headers = List.of(new Header("by", "shop".getBytes()), new Header("by", new byte[0]));
                assertEquals(
                        new StreamRecord(0, appended.time(), "orders", "c-7".getBytes(), "3 apples".getBytes(), headers),
                        first);
                assertEquals(Optional.of(appended.token()), consumer.token());
                var rest = consumer.read(Duration.ZERO);
                assertEquals(List.of("audit", "orders"), rest.stream().map(StreamRecord::topic).toList());
                assertEquals("", rest.get(0).text());
                assertNull(rest.get(0).key());
                assertNull(rest.get(1).value());
                assertEquals(List.of(), consumer.read(Duration.ofMillis(1)));
            }
            batch.clear();
            assertEquals(Code.BAD_RECORD, told(() -> producer.append(batch)));
        }
    }

    @Test
    void whereAConsumerBegins() {
        fill("a", "b", "c");
        Token token;
        try (var consumer = Consumer.open(stream)) {
            consumer.poll();
            token = consumer.token().orElseThrow();
        }
        assertEquals(token, Token.parse(token.toString()));
        assertEquals(List.of("b", "c"), values(from(new Start.At(token))));
        assertEquals(List.of("c"), values(from(new Start.Offset(2))));
        assertEquals(List.of("c"), values(from(new Start.Last(1))));
        assertEquals(List.of(), values(from(new Start.End())));
        assertEquals(List.of("a", "b", "c"), values(from(new Start.Time(Instant.EPOCH)).topics("in", "other")));
        assertEquals(Code.OUT_OF_RANGE, told(() -> from(new Start.Offset(9)).open()));
    }

    @Test
    void errorsSayWhoseMatterTheyAre() {
        var refused = assertThrows(PuroException.Caller.class, () -> Consumer.open(stream));
        assertEquals(Code.NOT_A_STREAM, refused.code());
        assertTrue(refused.getMessage().contains(stream.toString()) && !refused.wayOut().isEmpty());
        assertEquals(Optional.of(false), refused.wasAppended());
        var producer = Producer.open(stream);
        var decidedAt = producer.token();
        producer.append(NewRecord.of("in", "somebody else's"));
        try (var batch = new Batch().push(NewRecord.of("in", "mine"))) {
            var faster = producer.transaction(batch).ifEnd(decidedAt);
            assertThrows(PuroException.Environment.class, faster::commit);
            assertEquals(Code.CONFLICT, told(faster::commit));
        }
        var lost = new Token(decidedAt.streamId(), 1, 100);
        assertThrows(PuroException.Data.class, () -> from(new Start.At(lost)).open());
        producer.close();
        producer.close();
        assertEquals(Code.MISUSE, told(producer::sync));
    }

    @Test
    void anAppendThatIsTriedAgainHappensOnce() {
        try (var producer = Producer.open(stream); var batch = new Batch()) {
            batch.push(NewRecord.of("in", "3 apples"));
            assertTrue(producer.lastSequence("shop-1").isEmpty());
            var first = producer.transaction(batch).once("shop-1", 1).commit();
            var again = producer.transaction(batch).once("shop-1", 1).durable(true).commit();
            assertTrue(again.duplicate() && !first.duplicate());
            assertEquals(first.firstOffset(), again.firstOffset());
            assertEquals(1, producer.lastSequence("shop-1").orElseThrow());
        }
    }

    @Test
    void aNameGoesOnWhereTheLastRunWas() {
        fill("a", "b", "c");
        var billing = Consumer.options(stream).name("billing");
        try (var consumer = billing.open()) {
            assertEquals("a", consumer.iterator().next().text());
            assertEquals(Code.NAME_BUSY, told(billing::open));
        }
        var consumer = billing.open();
        assertEquals("b", consumer.poll().orElseThrow().text());
        consumer.abandon();
        assertEquals(List.of("b", "c"), values(billing));
        var byHand = Consumer.options(stream).name("audit").commitByHand();
        assertEquals(List.of("a", "b", "c"), values(byHand));
        try (var again = byHand.open()) {
            again.poll();
            assertTrue(again.commit());
            assertFalse(again.commit());
        }
        assertEquals(List.of("b", "c"), values(byHand));
    }

    @Test
    void outputAndPositionAreOne() {
        fill("2", "3");
        var square = Consumer.options(stream).topics("in").name("square").commitByHand();
        try (var producer = Producer.open(stream); var batch = new Batch(); var consumer = square.open()) {
            for (var record : consumer.available()) {
                int number = Integer.parseInt(record.text());
                batch.clear();
                batch.push(NewRecord.of("out", "" + number * number));
                producer.transaction(batch).position(consumer).commit();
            }
        }
        assertEquals(List.of("4", "9"), values(Consumer.options(stream).topics("out")));
        assertEquals(List.of(), values(square));
    }

    @Test
    void anotherThreadEndsAWaitByClosingOrInterrupting() throws Exception {
        fill("a");
        var closed = from(new Start.End()).open();
        var waiting = CompletableFuture.supplyAsync(() -> told(() -> closed.iterator().next()));
        closed.close();
        assertEquals(Code.MISUSE, waiting.get(10, TimeUnit.SECONDS));

        try (var consumer = from(new Start.End()).open()) {
            var ended = new CompletableFuture<Boolean>();
            var thread = Thread.ofPlatform().start(() -> {
                for (var record : consumer) ended.completeExceptionally(new AssertionError(record));
                ended.complete(Thread.currentThread().isInterrupted());
            });
            thread.interrupt();
            assertTrue(ended.get(10, TimeUnit.SECONDS));
            var found = CompletableFuture.supplyAsync(() -> consumer.iterator().next().text());
            fill("b");
            assertEquals("b", found.get(10, TimeUnit.SECONDS));
        }
    }
}
