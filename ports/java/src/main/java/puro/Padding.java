package puro;

import java.util.Random;

/** No block within a block (F-43, F-46). */
final class Padding {
  private static final Random LOT = new java.security.SecureRandom();

  private Padding() {}

  /** The body as it can stand at this position, shifted by a `pad` where that is needed. */
  static byte[] fit(int headerCrc, long position, byte[] body) {
    if (clean(headerCrc, position, body)) return body;
    for (int i = 0; i < 24; i++) { // F-43: eight that can be foretold and sixteen that cannot
      int zeros = i < 8 ? i : LOT.nextInt(Math.max(64, Math.min(body.length, Limits.MAX_VALUE)));
      byte[] shifted = new Bytes.Out().raw(pad(zeros)).raw(body).done();
      if (shifted.length > Limits.MAX_BODY) continue; // F-46: none that helps
      if (clean(headerCrc, position, shifted)) return shifted;
    }
    throw PuroException.refused("the block looks like other blocks, wherever it is put (F-43)");
  }

  static byte[] pad(int zeros) { // F-46
    return Rec.entry("pad", null, new byte[zeros]).encode();
  }

  /** No start stands at a multiple of 64 but the block's own. A start lies within one unit of 64 bytes. */
  private static boolean clean(int headerCrc, long position, byte[] body) {
    byte[] block = new byte[Block.lengthOf(body.length)];
    System.arraycopy(body, 0, block, Limits.START, body.length);
    for (int at = Limits.UNIT; at < block.length; at += Limits.UNIT) {
      if (Block.startStands(block, at, position + at, headerCrc)) return false;
    }
    return true;
  }
}
