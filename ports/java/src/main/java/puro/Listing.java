package puro;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/** The segments of a directory, and whose they are (F-9, V-11). */
final class Listing {
  final Dir dir;
  final TreeSet<Long> numbers = new TreeSet<>();
  private final Map<Long, byte[]> heads = new HashMap<>(); // 64 bytes, or fewer where the file ends

  private Listing(Dir dir) {
    this.dir = dir;
  }

  static Listing of(Dir dir) throws IOException {
    Listing l = new Listing(dir);
    for (String name : dir.list()) if (Names.sequence(name) >= 0) l.numbers.add(Names.sequence(name));
    l.complete();
    return l;
  }

  /** A listing is not one moment: the first name of each hole is looked up by itself, once (V-11). */
  private void complete() throws IOException {
    for (Long n : new TreeSet<>(numbers)) {
      for (long next = n + 1; next <= Limits.LAST_SEQUENCE && !numbers.contains(next); next++) {
        if (dir.stat(Names.segment(next)) == null) break;
        numbers.add(next);
      }
    }
  }

  /** The first 64 bytes of a segment's file; null: gone meanwhile. F-8: what is no regular file is refused. */
  byte[] head(long n) throws IOException {
    if (!heads.containsKey(n)) {
      OpenFile f = dir.open(Names.segment(n), false);
      try {
        heads.put(n, f == null ? null : f.read(0, Limits.HEADER));
      } finally {
        if (f != null) f.close();
      }
    }
    return heads.get(n);
  }

  /** Whom a file says that it belongs to; null: it says nothing (F-9). */
  private byte[] says(long n) throws IOException {
    byte[] b = head(n);
    if (b == null) return null;
    Header.Verdict v = Header.judge(b, false);
    if (v == Header.Verdict.NEWER) throw newer(n); // F-50: it must be opened to find the id
    if (v != Header.Verdict.FINE) return null;
    Header h = Header.parse(b);
    return h.sequence() == n ? h.streamId() : null;
  }

  static PuroException newer(long n) {
    return new PuroException(PuroException.Kind.NEWER, Names.segment(n) + " is from a newer Puro");
  }

  /** The stream's id (F-9): what the lowest and the highest say, else what most say. */
  byte[] streamId() throws IOException {
    if (numbers.isEmpty()) throw new PuroException(PuroException.Kind.NO_STREAM, dir.shown + " is no stream");
    byte[] low = null, high = null;
    for (long n : numbers) if ((low = says(n)) != null) break;
    for (long n : numbers.descendingSet()) if ((high = says(n)) != null) break;
    if (low == null) throw PuroException.damage("no segment says which stream this is");
    if (java.util.Arrays.equals(low, high)) return low;
    Map<String, Integer> votes = new HashMap<>();
    Map<String, byte[]> ids = new HashMap<>();
    for (long n : numbers) {
      byte[] id = says(n);
      if (id == null) continue;
      votes.merge(Bytes.hex(id), 1, Integer::sum);
      ids.put(Bytes.hex(id), id);
    }
    int most = votes.values().stream().max(Integer::compare).orElse(0);
    var first = votes.entrySet().stream().filter(e -> e.getValue() == most).toList();
    if (first.size() != 1) throw new PuroException(PuroException.Kind.DRAW, "files of two streams, and as many of each"); // F-9
    return ids.get(first.get(0).getKey());
  }

  /** Is it of another stream, or not in its place (F-9)? Without a valid header it is damage, never stray. */
  boolean stray(long n, byte[] id) throws IOException {
    byte[] b = head(n);
    if (b == null || Header.judge(b, false) != Header.Verdict.FINE) return false;
    Header h = Header.parse(b);
    return !h.sameStream(id) || h.sequence() != n;
  }

  /** The highest number that is no stray (F-7, F-9). */
  long active(byte[] id) throws IOException {
    for (long n : numbers.descendingSet()) if (!stray(n, id)) return n;
    throw new PuroException(PuroException.Kind.NO_STREAM, dir.shown + " is no stream");
  }

  /** The first segment of the stream behind this number; -1: there is none (A-5, V-9, V-11). */
  static long later(Dir dir, long n, byte[] id) throws IOException {
    boolean next = n < Limits.LAST_SEQUENCE && dir.stat(Names.segment(n + 1)) != null; // by itself, then the list
    Listing l = of(dir);
    if (next) l.numbers.add(n + 1);
    for (long m : l.numbers.tailSet(n + 1)) if (!l.stray(m, id)) return m;
    return -1;
  }
}
