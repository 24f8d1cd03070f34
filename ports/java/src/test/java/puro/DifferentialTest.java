package puro;

import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Streams that were damaged by lot: does this port judge and repair them as the built program does? */
class DifferentialTest {
  @TempDir Path tmp;
  private final long seed = Long.getLong("puro.seed", 20261128L);
  private final Random random = new Random(seed);

  @Test void tails() throws Exception {
    Fixture.program();
    Path mine = tmp.resolve("mine");
    try (Producer p = Producer.open(mine, Fixture.options(World.REAL))) { // of the current boot
      for (int i = 0; i < 6; i++) p.append(Fixture.recs("v" + i + "x".repeat(random.nextInt(300))), i == 2);
    }
    int rounds = Integer.getInteger("puro.rounds", 20);
    List<String> bases = List.of("records", "low_tail", "lost_tail", "repaired", "epochs", "torn_tail");
    for (int i = 0; i < rounds; i++) {
      boolean own = random.nextBoolean();
      Path from = own ? mine.resolve("0000000000.puro")
          : Fixture.vectors().resolve(bases.get(random.nextInt(bases.size()))).resolve("0000000000.puro");
      byte[] b = mutate(Files.readAllBytes(from));
      compare(i, b);
    }
  }

  /** Several segments, of which some are damaged, gone, of another stream or in another place: read and judged alike? */
  @Test void segments() throws Exception {
    Fixture.program();
    Path own = tmp.resolve("own"), other = tmp.resolve("other");
    for (Path d : List.of(own, other)) {
      try (Producer p = Producer.open(d, Fixture.small(World.REAL))) {
        for (int i = 0; i < 50; i++) p.append(Fixture.recs("v" + i + "x".repeat(random.nextInt(500))));
      }
    }
    int rounds = Integer.getInteger("puro.rounds", 12);
    for (int i = 0; i < rounds; i++) {
      Path dir = tmp.resolve("m" + i);
      Fixture.copy(random.nextBoolean() ? own : Fixture.vectors().resolve("rollover"), dir);
      String did = "";
      for (int n = 1 + random.nextInt(2); n > 0; n--) did += " " + mutate(dir, other);
      compareReading("seed " + seed + ", segments, round " + i + ":" + did, dir);
      Fixture.delete(dir);
    }
  }

  private String mutate(Path dir, Path other) throws Exception {
    List<String> segments = names(dir).stream().filter(x -> x.endsWith(".puro")).toList();
    if (segments.isEmpty()) return "none";
    Path file = dir.resolve(segments.get(random.nextInt(segments.size())));
    int what = random.nextInt(7);
    Path to = Fixture.segment(dir, random.nextInt(9));
    switch (what) {
      case 0 -> Files.delete(file);
      case 1, 2, 3 -> Files.write(file, Files.size(file) < 130 ? new byte[10] : mutate(Files.readAllBytes(file)));
      case 4 -> Files.copy(Fixture.segment(other, random.nextInt(3)), to, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
      case 5 -> {
        if (!Files.exists(to)) Files.copy(file, to);
      }
      default -> Fixture.flip(file, random.nextInt((int) Math.min(64, Files.size(file)))); // the header
    }
    return what + " " + file.getFileName() + (what == 4 || what == 5 ? " to " + to.getFileName() : "");
  }

  private void compareReading(String name, Path dir) throws Exception {
    Process v = quietly("verify", dir);
    String said = Fixture.output(v);
    int exit;
    String found;
    try {
      Verify w = Verify.run(dir, false);
      exit = w.exit();
      found = w.findings.toString();
    } catch (PuroException e) {
      exit = e.kind.exit;
      found = e.getMessage();
    }
    String mine = found;
    StringBuilder differs = new StringBuilder();
    if (v.exitValue() != exit) differs.append(" verify: " + v.exitValue() + " " + said + " but " + exit + " " + mine);
    Process c = quietly("consume", "-e", "-f", "%o\n", dir);
    String out = Fixture.output(c);
    long theirs = out.lines().filter(l -> l.matches("[0-9]+")).count();
    long ours = 0;
    int code = 0;
    String told = "";
    try (Reader r = Reader.open(dir)) {
      while (r.poll() != null) ours++;
      if (!r.endIsClean()) {
        r.endProblem();
        Thread.sleep(Limits.POLL_MS + 10);
        Tail t = r.endProblem();
        if (t != null) code = t.cuts() ? 1 : 2;
      }
    } catch (PuroException e) {
      code = e.kind.exit;
      told = e.getMessage();
    }
    if (ours != theirs || code != c.exitValue()) {
      differs.append(" consume: " + c.exitValue() + " " + theirs + " " + out.lines().filter(l -> !l.matches("[0-9]+")).toList() + " but " + code + " " + ours + " " + told);
    }
    long small = 0;
    String smallTold = "";
    try (SmallestReader r = new SmallestReader(dir)) {
      while (r.next() != null) small++;
    } catch (SmallestReader.Told e) {
      smallTold = e.getMessage();
    }
    if (small != ours) differs.append(" smallest: " + small + " " + smallTold);
    if (differs.length() > 0 && Boolean.getBoolean("puro.go-on")) System.err.println("DIFFERS " + name + differs);
    else assertEquals("", differs.toString(), name);
  }

  private byte[] mutate(byte[] b) {
    for (int n = 1 + random.nextInt(2); n > 0; n--) {
      int at = 64 + random.nextInt(b.length - 64), unit = at / 64 * 64;
      int len = Math.min(1 + random.nextInt(200), b.length - at);
      switch (random.nextInt(9)) {
        case 0 -> b = Arrays.copyOf(b, at);
        case 1 -> b = Arrays.copyOf(b, b.length + random.nextInt(300)); // zeros behind
        case 2 -> Arrays.fill(b, at, at + len, (byte) 0);
        case 3 -> Arrays.fill(b, unit, Math.min(unit + 64, b.length), (byte) 0); // a unit that was not written
        case 4 -> b[at] ^= (byte) (1 << random.nextInt(8));
        case 5 -> b[unit] = (byte) (random.nextBoolean() ? 0 : 7); // perhaps a signal
        case 6 -> { // garbage behind
          byte[] g = new byte[random.nextInt(200)];
          random.nextBytes(g);
          if (g.length > 0 && random.nextBoolean()) g[0] = 0;
          int was = b.length;
          b = Arrays.copyOf(b, was + g.length);
          System.arraycopy(g, 0, b, was, g.length);
        }
        case 7 -> { // a good block behind, high or low, where it fits or not
          byte[] body = Rec.of("t", null, "late").encode();
          long place = (b.length + 63) / 64 * 64 + (random.nextBoolean() ? 0 : 64);
          int prev = random.nextBoolean() ? Bytes.i32(b, b.length - 4) : 5;
          byte[] add = Block.encode(Bytes.i32(b, 60), place, 1, body, false, 1, prev, 6, 9, random.nextInt(4) == 0 ? place : 0, 1,
              random.nextBoolean() ? Block.HIGH : Block.LOW);
          b = Arrays.copyOf(b, (int) place + add.length);
          System.arraycopy(add, 0, b, (int) place, add.length);
        }
        default -> { // a segment end behind the last block
          byte[] end = Block.encode(Bytes.i32(b, 60), b.length, 3, new byte[0], false, 0, Bytes.i32(b, b.length - 4), 6, 9, 0, 1, Block.HIGH);
          if (b.length % 64 == 0) b = new Bytes.Out().raw(b).raw(end).done();
        }
      }
      if (b.length <= 128) return b;
    }
    return b;
  }

  private void compare(int round, byte[] bytes) throws Exception {
    String name = "seed " + seed + ", round " + round;
    Path a = Files.createDirectory(tmp.resolve("a" + round)), b = Files.createDirectory(tmp.resolve("b" + round));
    Files.write(Fixture.segment(a, 0), bytes);
    Files.write(Fixture.segment(b, 0), bytes);
    Process v = Fixture.puro("verify", a);
    String said = Fixture.output(v);
    Verify w = Verify.run(b, false);
    assertEquals(v.exitValue(), w.exit(), () -> name + keep(bytes) + ": verify: " + said + w.findings);
    Process p = quietly("repair", a);
    String did = Fixture.output(p);
    int code = 0;
    try (Producer q = Producer.open(b, Fixture.options(World.REAL))) {
      q.repair();
    } catch (PuroException e) {
      code = e.kind.exit;
    }
    assertEquals(p.exitValue(), code, () -> name + ": repair: " + did);
    assertEquals(names(a), names(b), () -> name + ": " + did);
    long size = Files.size(Fixture.segment(a, 0));
    assertEquals(size, Files.size(Fixture.segment(b, 0)), () -> name + ": " + did);
    if (!Files.exists(Fixture.segment(a, 1))) { // but for the times in a block that raises the epoch
      byte[] x = Files.readAllBytes(Fixture.segment(a, 0)), y = Files.readAllBytes(Fixture.segment(b, 0));
      int different = Arrays.mismatch(x, y);
      assertTrue(different < 0 || different >= x.length - 128, name + ": other bytes at " + different + ": " + did);
    }
    Process after = Fixture.puro("verify", "--deep", b);
    String judged = Fixture.output(after);
    Verify mine = Verify.run(a, true);
    assertEquals(after.exitValue(), mine.exit(), () -> name + ": afterwards: " + judged + mine.findings);
    Fixture.delete(a);
    Fixture.delete(b);
  }

  private String keep(byte[] bytes) {
    try {
      Path p = Files.write(Files.createTempFile("differs", ".puro"), bytes);
      return " (" + p + ")";
    } catch (java.io.IOException e) {
      return "";
    }
  }

  private static Process quietly(Object... args) throws Exception {
    List<String> cmd = new java.util.ArrayList<>(List.of(Fixture.program()));
    for (Object x : args) cmd.add(x.toString());
    return new ProcessBuilder(cmd).redirectErrorStream(true).start();
  }

  private static List<String> names(Path dir) throws Exception {
    try (Stream<Path> all = Files.walk(dir)) {
      return all.map(p -> dir.relativize(p).toString()).sorted().toList();
    }
  }
}
