package puro;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A record, of a user or a control record (format.md, chapters 6 and 7). Key and value may be null: not there. */
public record Rec(byte[] topic, byte[] key, List<Header> headers, byte[] value, boolean control) {
  /** A header of a record: a name with a value. */
  public record Header(byte[] name, byte[] value) {}

  public static Rec of(String topic, String key, String value) {
    return new Rec(
        Bytes.ascii(topic), key == null ? null : Bytes.ascii(key), List.of(),
        value == null ? null : Bytes.ascii(value), false);
  }

  static Rec entry(String kind, byte[] key, byte[] value) { // F-31
    return new Rec(Bytes.ascii(kind), key, List.of(), value, true);
  }

  boolean isKind(String kind) {
    return control && Bytes.text(topic).equals(kind);
  }

  /** F-26, F-27, F-30: an encoder refuses what breaks a rule. */
  byte[] encode() {
    if (topic.length < 1 || topic.length > Limits.MAX_TOPIC) throw PuroException.usage("a topic has 1 to 1,024 bytes");
    if (key != null && key.length > Limits.MAX_KEY) throw PuroException.usage("a key has at most 1,024 bytes");
    if (value != null && value.length > Limits.MAX_VALUE) throw PuroException.usage("a value has at most 10 MiB");
    if (value == null && key == null) throw PuroException.usage("a delete marker needs a key"); // F-27
    int attributes = (key != null ? 1 : 0) | (value != null ? 2 : 0) | (headers.isEmpty() ? 0 : 4) | (control ? 8 : 0);
    Bytes.Out out = new Bytes.Out().fixed(1, attributes).sized(topic);
    if (key != null) out.sized(key);
    if (!headers.isEmpty()) {
      Bytes.Out h = new Bytes.Out().varint(headers.size());
      for (Header x : headers) {
        if (x.name().length == 0) throw PuroException.usage("a header's name has at least one byte"); // F-26
        h.sized(x.name()).sized(x.value());
      }
      if (h.size() > Limits.MAX_HEADERS) throw PuroException.usage("headers have at most 64 KiB");
      out.raw(h.done());
    }
    if (value != null) out.raw(value);
    byte[] rest = out.done();
    byte[] behindCrc = new Bytes.Out().sized(rest).done();
    return new Bytes.Out().fixed(4, Bytes.crc(behindCrc, 0, behindCrc.length)).raw(behindCrc).done();
  }

  /** Decodes the record that begins here, and leaves `in` behind it. */
  static Rec decode(Bytes.In in) {
    int from = in.at;
    if (in.left() < 4) throw PuroException.damage("a record ends beyond its body"); // F-28
    int crc = Bytes.i32(in.b, in.at);
    in.at += 4;
    long length = in.varint();
    if (length < 0 || length > in.left()) throw PuroException.damage("a record ends beyond its body"); // F-28
    int end = in.at + (int) length;
    if (Bytes.crc(in.b, from + 4, end) != crc) throw PuroException.damage("a record's checksum is wrong");
    Bytes.In r = new Bytes.In(in.b, in.at, end);
    int attributes = r.one();
    if ((attributes & 0xF0) != 0) throw PuroException.damage("unknown attribute bits"); // F-27
    boolean control = (attributes & 8) != 0;
    byte[] topic = r.raw(r.varint(), Limits.MAX_TOPIC, "a topic");
    if (topic.length == 0) throw PuroException.damage("an empty topic");
    byte[] key = (attributes & 1) != 0 ? r.raw(r.varint(), Limits.MAX_KEY, "a key") : null;
    List<Header> headers = List.of();
    if ((attributes & 4) != 0) {
      if (control) throw PuroException.damage("a control record with headers"); // F-31
      headers = headers(r);
    }
    byte[] value = (attributes & 2) != 0 ? r.raw(r.left(), Limits.MAX_VALUE, "a value") : null;
    if (r.left() != 0) throw PuroException.damage("bytes behind a record's fields"); // F-27, F-28
    if (value == null && key == null) throw PuroException.damage("a delete marker without a key"); // F-27
    in.at = end;
    return new Rec(topic, key, headers, value, control);
  }

  private static List<Header> headers(Bytes.In r) {
    int from = r.at;
    long count = r.varint();
    if (count < 1 || count > Limits.MAX_HEADERS) throw PuroException.damage("a wrong number of headers"); // F-30
    List<Header> out = new ArrayList<>();
    for (long i = 0; i < count; i++) {
      byte[] name = r.raw(r.varint(), Limits.MAX_HEADERS, "a header's name");
      if (name.length == 0) throw PuroException.damage("a header without a name"); // F-26
      out.add(new Header(name, r.raw(r.varint(), Limits.MAX_HEADERS, "a header's value")));
      if (r.at - from > Limits.MAX_HEADERS) throw PuroException.damage("headers exceed 64 KiB");
    }
    return out;
  }

  /** How many offsets it takes: a record one, a gap of n n (F-33), any other control record none (F-31). */
  long offsets(boolean gaps) {
    if (!control) return 1;
    if (key != null || !isKind("gap")) return 0;
    if (!gaps) throw PuroException.damage("a gap in a segment of generation 0"); // F-33
    Bytes.In in = new Bytes.In(value, 0, value.length);
    long n = in.varint();
    if (n == 0 || in.left() != 0) throw PuroException.damage("a wrong gap");
    return n;
  }

  boolean same(Rec o) {
    if (!Arrays.equals(topic, o.topic) || !Arrays.equals(key, o.key) || !Arrays.equals(value, o.value)
        || control != o.control || headers.size() != o.headers.size()) return false;
    for (int i = 0; i < headers.size(); i++) {
      if (!Arrays.equals(headers.get(i).name(), o.headers.get(i).name())
          || !Arrays.equals(headers.get(i).value(), o.headers.get(i).value())) return false;
    }
    return true;
  }
}
