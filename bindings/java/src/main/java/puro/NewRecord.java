package puro;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** A record to be appended. A value of {@code null} is a delete marker, which needs a key. */
public record NewRecord(String topic, byte[] key, byte[] value, List<Header> headers) {
    public NewRecord {
        headers = List.copyOf(headers);
    }

    public static NewRecord of(String topic, byte[] value) {
        return new NewRecord(topic, null, value, List.of());
    }

    public static NewRecord of(String topic, String value) {
        return of(topic, value.getBytes(StandardCharsets.UTF_8));
    }

    /** Says that whatever had this key in this topic is gone. */
    public static NewRecord deleteMarker(String topic, String key) {
        return of(topic, (byte[]) null).key(key);
    }

    /** The same with a key. */
    public NewRecord key(byte[] key) {
        return new NewRecord(topic, key, value, headers);
    }

    /** The same with a key. */
    public NewRecord key(String key) {
        return key(key.getBytes(StandardCharsets.UTF_8));
    }

    /** The same with one more header. */
    public NewRecord header(String name, byte[] value) {
        var more = new ArrayList<>(headers);
        more.add(new Header(name, value));
        return new NewRecord(topic, key, this.value, more);
    }

    /** The same with one more header. */
    public NewRecord header(String name, String value) {
        return header(name, value.getBytes(StandardCharsets.UTF_8));
    }
}
