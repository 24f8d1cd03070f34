package puro;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * A record of the stream. {@code key} is {@code null} where it has none, {@code value} where it is a
 * delete marker.
 */
public record StreamRecord(
        long offset, Instant time, String topic, byte[] key, byte[] value, List<Header> headers) {
    /** The value as a text; {@code null} where it is a delete marker. */
    public String text() {
        return value == null ? null : new String(value, StandardCharsets.UTF_8);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof StreamRecord it
                && offset == it.offset
                && time.equals(it.time)
                && topic.equals(it.topic)
                && Arrays.equals(key, it.key)
                && Arrays.equals(value, it.value)
                && headers.equals(it.headers);
    }

    @Override
    public int hashCode() {
        return Objects.hash(offset, time, topic, Arrays.hashCode(key), Arrays.hashCode(value));
    }

    @Override
    public String toString() {
        return "StreamRecord[offset=%d, time=%s, topic=%s, value=%s]".formatted(offset, time, topic, text());
    }
}
