package puro;

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;

/** What a program learns of its surroundings. Tests put another world in its place. */
public interface World {
  long now(); // F-5

  /** 16 bytes, or null: unknown (M-7). */
  byte[] bootId();

  byte[] newStreamId(); // F-12

  World REAL = new World() {
    @Override public long now() {
      return System.currentTimeMillis();
    }

    @Override public byte[] bootId() { // M-7, M-9: the digits in their order, without the hyphens
      try {
        return parseBootId(Files.readString(Path.of("/proc/sys/kernel/random/boot_id")));
      } catch (Exception e) {
        return null;
      }
    }

    @Override public byte[] newStreamId() {
      byte[] id = new byte[16];
      new SecureRandom().nextBytes(id);
      return id;
    }
  };

  static byte[] parseBootId(String text) { // M-9
    String digits = text.trim().replace("-", "");
    if (!digits.matches("[0-9a-fA-F]{32}")) return null;
    byte[] id = new byte[16];
    for (int i = 0; i < 16; i++) id[i] = (byte) Integer.parseInt(digits.substring(2 * i, 2 * i + 2), 16);
    return id;
  }
}
