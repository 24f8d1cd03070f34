package puro;

import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How the command line ends (K-16). */
class ExitTest {
  @TempDir Path tmp;

  private static int run(Object... args) {
    return Main.run(java.util.Arrays.stream(args).map(Object::toString).toArray(String[]::new));
  }

  @Test void codes() throws Exception {
    Path dir = tmp.resolve("s");
    assertEquals(64, run("verify", dir)); // K-3: no segment there
    assertEquals(0, run("create", dir));
    assertEquals(0, run("verify", "--deep", dir));
    assertEquals(64, run("consume", "-e", "--from", "1", dir));
    assertEquals(2, run("consume", "-e", "--from", "0".repeat(32) + ":1:0", dir)); // E-8
    assertEquals(64, run("consume", "-e", "--name", "a b", dir)); // F-11
    Path letters = Files.createDirectory(tmp.resolve("letters"));
    Files.createFile(letters.resolve("letter.txt"));
    assertEquals(64, run("create", letters)); // O-2
    assertEquals(64, run("create", "--segment-bytes", "100", tmp.resolve("t"))); // F-53
    assertFalse(Files.exists(tmp.resolve("t")));

    Path draw = Files.createDirectory(tmp.resolve("draw")); // F-9: two streams, one segment each
    assertEquals(0, run("create", tmp.resolve("o")));
    Files.copy(Fixture.segment(dir, 0), Fixture.segment(draw, 0));
    byte[] other = Files.readAllBytes(Fixture.segment(tmp.resolve("o"), 0));
    Bytes.put(other, 48, 4, 1);
    Bytes.put(other, 60, 4, Bytes.crc(other, 0, 60));
    Files.write(Fixture.segment(draw, 1), other);
    assertEquals(2, run("verify", draw));

    Fixture.append(Fixture.segment(dir, 0), new byte[5000]);
    assertEquals(0, run("consume", "-e", dir)); // F-56
    Fixture.append(Fixture.segment(dir, 0), new byte[] {1});
    assertEquals(1, run("verify", dir));
    assertEquals(1, run("consume", "-e", dir));
    assertEquals(0, run("repair", dir));
    assertEquals(0, run("verify", dir));
    Fixture.flip(Fixture.segment(dir, 0), 70);
    assertEquals(2, run("verify", dir));
    Fixture.flip(Fixture.segment(dir, 0), 8);
    Files.delete(Fixture.segment(dir, 0));
    Files.createDirectory(Fixture.segment(dir, 0));
    assertEquals(74, run("verify", dir)); // K-5
  }
}
