package puro;

import static org.junit.jupiter.api.Assertions.*;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Integers, records, headers and blocks (smallest-port.md, a reader: steps 1 to 6; a producer: step 1). */
class FormatTest {
  private final Random random = new Random(7);

  @Test void checksum() { // F-3
    assertEquals(0xE3069283, Bytes.crc(Bytes.ascii("123456789"), 0, 9));
  }

  @Test void varints() { // F-2
    for (long v : new long[] {0, 1, 127, 128, 300, 16383, 16384, Long.MAX_VALUE, -1, Long.MIN_VALUE}) {
      byte[] b = new Bytes.Out().varint(v).done();
      assertEquals(v, new Bytes.In(b, 0, b.length).varint());
    }
    refuse(0x80, 0x00);
    refuse(0x81, 0x80, 0x00);
    refuse(0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02);
    refuse(0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x81, 0x00);
    refuse(0x80);
  }

  private void refuse(int... bytes) {
    byte[] b = new byte[bytes.length];
    for (int i = 0; i < b.length; i++) b[i] = (byte) bytes[i];
    Fixture.fails(PuroException.Kind.DAMAGED, () -> new Bytes.In(b, 0, b.length).varint());
  }

  private byte[] bytes(int atMost) {
    byte[] b = new byte[random.nextInt(atMost + 1)];
    random.nextBytes(b);
    return b;
  }

  private Rec record() {
    byte[] topic = new byte[1 + random.nextInt(20)];
    random.nextBytes(topic);
    byte[] key = random.nextBoolean() ? bytes(20) : null;
    byte[] value = key == null || random.nextBoolean() ? bytes(200) : null;
    List<Rec.Header> headers = new ArrayList<>();
    for (int i = random.nextInt(3); i > 0; i--) headers.add(new Rec.Header(new byte[] {(byte) i}, bytes(10)));
    return new Rec(topic, key, headers, value, false);
  }

  @Test void recordsRoundTrip() { // F-6
    for (int i = 0; i < 2000; i++) {
      Rec r = record();
      byte[] b = r.encode();
      Bytes.In in = new Bytes.In(b, 0, b.length);
      Rec back = Rec.decode(in);
      assertTrue(r.same(back) && in.left() == 0);
      assertArrayEquals(b, back.encode());
      byte[] turned = b.clone(); // each byte counts
      turned[random.nextInt(b.length)] ^= (byte) (1 << random.nextInt(8));
      assertThrows(PuroException.class, () -> Rec.decode(new Bytes.In(turned, 0, turned.length)));
    }
  }

  @Test void limits() { // F-26, F-27, F-30
    for (Rec r : List.of(
        new Rec(new byte[0], null, List.of(), new byte[1], false),
        new Rec(new byte[1025], null, List.of(), new byte[1], false),
        new Rec(new byte[1], new byte[1025], List.of(), new byte[1], false),
        new Rec(new byte[1], null, List.of(), new byte[Limits.MAX_VALUE + 1], false),
        new Rec(new byte[1], null, List.of(), null, false),
        new Rec(new byte[1], null, List.of(new Rec.Header(new byte[0], new byte[1])), new byte[1], false),
        new Rec(new byte[1], null, List.of(new Rec.Header(new byte[1], new byte[65_536])), new byte[1], false))) {
      Fixture.fails(PuroException.Kind.USAGE, r::encode);
    }
    new Rec(new byte[1024], new byte[1024], List.of(), new byte[Limits.MAX_VALUE], false).encode();
  }

  @Test void header() { // F-12
    byte[] h = Header.encode(new byte[16], 5, 6, 7, 0, 1);
    assertEquals(Header.Verdict.FINE, Header.judge(h, true));
    for (int bit = 0; bit < 512; bit++) {
      byte[] b = h.clone();
      b[bit / 8] ^= (byte) (1 << bit % 8);
      assertEquals(bit < 64 ? Header.Verdict.NO_SEGMENT : Header.Verdict.DAMAGED, Header.judge(b, true));
    }
    h[8] = 2;
    Bytes.put(h, 60, 4, Bytes.crc(h, 0, 60));
    assertEquals(Header.Verdict.NEWER, Header.judge(h, false)); // F-50
    h[8] = 1;
    h[12] = 1; // features_read_compatible
    Bytes.put(h, 60, 4, Bytes.crc(h, 0, 60));
    assertEquals(Header.Verdict.FINE, Header.judge(h, false));
    assertEquals(Header.Verdict.NEWER, Header.judge(h, true));
  }

  @Test void blocksRoundTripAndEachBitCounts() throws Exception { // F-15 to F-24
    byte[] body = Rec.of("topic", "key", "value").encode();
    byte[] b = Block.encode(77, 640, Block.RECORDS, body, false, 1, 99, 5, 6, 64, 1, Block.HIGH);
    assertEquals(0, b.length % 64);
    assertEquals(Block.State.COMMITTED, look(b, 640, 99, 5));
    assertEquals(Block.State.VALID, look(b, 640, 98, 5)); // F-21
    assertEquals(Block.State.VALID, look(b, 640, 99, 4));
    assertEquals(Block.State.INVALID, look(b, 704, 99, 5)); // F-19: another place
    for (int bit = 0; bit < b.length * 8; bit++) {
      byte[] c = b.clone();
      c[bit / 8] ^= (byte) (1 << bit % 8);
      assertEquals(Block.State.INVALID, look(c, 640, 99, 5), "bit " + bit);
    }
    b[0] = Block.LOW;
    assertEquals(Block.State.GOOD, look(b, 640, 99, 5));
    assertEquals(Block.State.INVALID, look(Arrays.copyOf(b, b.length - 1), 640, 99, 5));
    assertEquals(Block.State.NOTHING, look(Arrays.copyOf(b, 47), 640, 99, 5));
  }

  private static Block.State look(byte[] b, long position, int prev, long next) throws Exception {
    Block.Source s = (at, n) -> at - position >= b.length ? new byte[0]
        : Arrays.copyOfRange(b, (int) (at - position), (int) Math.min(b.length, at - position + n));
    return Block.look(s, position, 77, prev, next, false).state();
  }

  @Test void noBlockWithinABlock() { // F-43, F-46
    long position = 640;
    byte[] value = new byte[1000];
    byte[] plain = new Rec(Bytes.ascii("t"), null, List.of(), value, false).encode();
    int valueAt = Limits.START + plain.length - value.length;
    int inside = (valueAt + 63) / 64 * 64; // a multiple of 64 within the value
    byte[] forged = Block.encode(77, position + inside, Block.RECORDS, new byte[3], false, 1, 0, 0, 0, 1L << 40, 1, Block.HIGH);
    System.arraycopy(forged, 0, value, inside - valueAt, forged.length);
    byte[] body = new Rec(Bytes.ascii("t"), null, List.of(), value, false).encode();
    byte[] padded = Padding.fit(77, position, body);
    assertTrue(padded.length > body.length);
    byte[] block = Block.encode(77, position, Block.RECORDS, padded, true, 1, 0, 0, 0, 0, 1, Block.HIGH);
    for (int at = 64; at < block.length; at += 64) assertFalse(Block.startStands(block, at, position + at, 77));
    assertEquals(2, new Block(position, block).records(false).size());
    assertSame(plain, Padding.fit(77, position, plain));
  }

  @Test void aCompactedSegmentsGaps() { // F-33
    byte[] gap = Rec.entry("gap", null, new Bytes.Out().varint(3).done()).encode();
    byte[] record = Rec.of("t", null, "v").encode();
    byte[] body = new Bytes.Out().raw(gap).raw(record).done();
    Block b = new Block(64, Block.encode(1, 64, Block.RECORDS, body, true, 4, 0, 10, 0, 0, 1, Block.HIGH));
    assertEquals(13, b.records(true).get(1).offset());
    Fixture.fails(PuroException.Kind.DAMAGED, () -> b.records(false)); // what verification asks, and a reader does not
    byte[] two = new Bytes.Out().raw(gap).raw(gap).done();
    Block wrong = new Block(64, Block.encode(1, 64, Block.RECORDS, two, true, 6, 0, 10, 0, 0, 1, Block.HIGH));
    Fixture.fails(PuroException.Kind.DAMAGED, () -> wrong.records(true));
  }

  @Test void namesAndBootIds() { // F-7, F-11, M-9
    assertEquals("0000000007.puro", Names.segment(7));
    assertEquals(Limits.LAST_SEQUENCE, Names.sequence("4294967295.puro"));
    assertEquals(-1, Names.sequence("4294967296.puro"));
    assertEquals(-1, Names.sequence("00000000001.puro"));
    Names.checkName("a.b_c-D9");
    Fixture.fails(PuroException.Kind.USAGE, () -> Names.checkName(".a"));
    Fixture.fails(PuroException.Kind.USAGE, () -> Names.checkName(""));
    assertEquals("0123456789abcdef0123456789abcdef", Bytes.hex(World.parseBootId("01234567-89ab-cdef-0123-456789abcdef\n")));
  }

  @Test void stateIsOrderedBytewise() { // F-35, F-37
    State s = new State();
    for (long n : new long[] {1, 2, 256}) s.fold(State.epochEntry(n, n, null, 0));
    s.fold(Rec.entry("unknown", new byte[] {1}, new byte[] {2})); // F-32
    s.fold(Rec.entry("setting", Bytes.ascii("segment_bytes"), Bytes.ascii("100"))); // F-53
    assertEquals(Limits.DEFAULT_SEGMENT_BYTES, s.segmentBytes());
    assertEquals(256, s.newestEpoch());
    byte[] body = s.checkpointBodies().get(0);
    Bytes.In in = new Bytes.In(body, 0, body.length);
    assertEquals(256, Bytes.u32(Rec.decode(in).key(), 0)); // little-endian: 256 stands before 1
    assertEquals(1, Bytes.u32(Rec.decode(in).key(), 0));
    for (int i = 0; i < 3000; i++) s.fold(Rec.entry("x", Bytes.ascii("k" + i), new byte[1000]));
    assertEquals(3, s.checkpointBodies().size()); // F-51
    for (byte[] b : s.checkpointBodies()) assertTrue(b.length <= Limits.CHECKPOINT_BODY);
  }
}
