package puro;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.TreeMap;

/** The state of a stream: the fold of all entries (F-37). */
final class State {
  record Key(byte[] kind, byte[] key) {}

  record Epoch(long number, long firstOffset, byte[] bootId) {}

  /** Ascending by kind and then by key, bytewise (F-37). */
  static final Comparator<Key> ORDER =
      Comparator.comparing(Key::kind, Arrays::compareUnsigned).thenComparing(Key::key, Arrays::compareUnsigned);

  final TreeMap<Key, byte[]> entries = new TreeMap<>(ORDER);

  /** An entry `epoch` was folded that did not fit its block (F-35). */
  private boolean unfit;

  /** An entry of a block that begins at this offset. No epoch begins behind the block that tells of it (F-35). */
  void fold(Rec r, long firstOffset) {
    if (r.control() && Arrays.equals(r.topic(), Bytes.ascii("epoch")) && r.key() != null) {
      byte[] v = r.value();
      unfit |= r.key().length != 4 || v != null && v.length == 32 && Long.compareUnsigned(Bytes.u64(v, 0), firstOffset) > 0;
    }
    fold(r);
  }

  /** F-31: an entry is set, or removed by a delete marker. Kinds that nobody knows are carried along (F-32). */
  void fold(Rec r) {
    if (!r.control() || r.key() == null) return; // says something of its place, or nothing that we know
    Key k = new Key(r.topic(), r.key());
    if (r.value() == null) entries.remove(k);
    else entries.put(k, r.value());
  }

  byte[] get(String kind, byte[] key) {
    return entries.get(new Key(Bytes.ascii(kind), key));
  }

  /** Entries `epoch`, by their numbers (F-35). One that does not fit is damage for who needs it (F-32). */
  List<Epoch> epochs() {
    if (unfit) throw PuroException.damage("an entry `epoch` that did not fit");
    List<Epoch> out = new ArrayList<>();
    byte[] kind = Bytes.ascii("epoch");
    for (var e : entries.tailMap(new Key(kind, new byte[0])).entrySet()) {
      if (!Arrays.equals(e.getKey().kind(), kind)) break;
      byte[] key = e.getKey().key(), v = e.getValue();
      if (key.length != 4 || v.length != 32) throw PuroException.damage("a wrong entry `epoch`");
      out.add(new Epoch(Bytes.u32(key, 0), Bytes.u64(v, 0), Arrays.copyOfRange(v, 8, 24)));
    }
    out.sort(Comparator.comparingLong(Epoch::number));
    for (int i = 1; i < out.size(); i++) {
      if (Long.compareUnsigned(out.get(i).firstOffset(), out.get(i - 1).firstOffset()) < 0) throw PuroException.damage("epochs go back");
    }
    return out;
  }

  Epoch newest() {
    List<Epoch> all = epochs();
    if (all.isEmpty()) return new Epoch(0, 0, new byte[16]); // so the next writer begins epoch 1: QUESTIONS.md
    return all.get(all.size() - 1);
  }

  long newestEpoch() {
    return newest().number();
  }

  /** Is the newest epoch's boot id the current one? Unknown is never equal to anything (M-7, F-35). */
  boolean ofBoot(byte[] bootId) {
    byte[] of = newest().bootId();
    return bootId != null && !Bytes.zeros(of, 0, 16) && Arrays.equals(of, bootId);
  }

  static Rec epochEntry(long number, long firstOffset, byte[] bootId, long time) { // F-35, E-1
    byte[] key = new byte[4];
    Bytes.put(key, 0, 4, number);
    byte[] value = new byte[32];
    Bytes.put(value, 0, 8, firstOffset);
    if (bootId != null) System.arraycopy(bootId, 0, value, 8, 16);
    Bytes.put(value, 24, 8, time);
    return Rec.entry("epoch", key, value);
  }

  private String setting(String name) { // F-34, F-53: what cannot be counts as not set
    return Settings.holds(name, get("setting", Bytes.ascii(name)));
  }

  long segmentBytes() {
    return Long.parseLong(setting("segment_bytes"));
  }

  boolean durable() {
    return setting("durable").equals("true");
  }

  /** The bodies of a whole checkpoint (F-37, F-51): each at most checkpoint_body_bytes, unless one entry is longer. */
  List<byte[]> checkpointBodies() {
    List<byte[]> bodies = new ArrayList<>();
    Bytes.Out out = new Bytes.Out();
    for (var e : entries.entrySet()) {
      byte[] r = new Rec(e.getKey().kind(), e.getKey().key(), List.of(), e.getValue(), true).encode();
      if (out.size() > 0 && out.size() + r.length > Limits.CHECKPOINT_BODY) {
        bodies.add(out.done());
        out = new Bytes.Out();
      }
      out.raw(r);
    }
    bodies.add(out.done());
    return bodies;
  }
}
