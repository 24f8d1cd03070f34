package puro;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.function.Executable;

/** What the tests share. */
final class Fixture {
  /** A fixed world, as that of the golden streams. */
  static final class Fixed implements World {
    long now = 1_767_225_600_000L; // 2026-01-01T00:00:00Z
    byte[] boot = boot(0xB1);

    @Override public long now() { return now; }
    @Override public byte[] bootId() { return boot; }

    @Override public byte[] newStreamId() {
      byte[] id = new byte[16];
      for (int i = 0; i < 16; i++) id[i] = (byte) (0x10 + i);
      return id;
    }
  }

  static byte[] boot(int x) {
    byte[] b = new byte[16];
    Arrays.fill(b, (byte) x);
    return b;
  }

  static Path vectors() {
    String e = System.getenv("PURO_VECTORS");
    return e != null ? Path.of(e) : Path.of("../../spec/vectors");
  }

  static Path vector(String name, Path tmp) {
    Path to = tmp.resolve(name);
    copy(vectors().resolve(name), to);
    return to;
  }

  static void copy(Path from, Path to) {
    try (Stream<Path> all = Files.walk(from)) {
      for (Path p : (Iterable<Path>) all::iterator) Files.copy(p, to.resolve(from.relativize(p).toString()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static void delete(Path dir) throws IOException {
    try (Stream<Path> all = Files.walk(dir)) {
      for (Path p : (Iterable<Path>) all.sorted(Comparator.reverseOrder())::iterator) Files.delete(p);
    }
  }

  static Producer.Options options(World w) {
    Producer.Options o = new Producer.Options();
    o.world = w;
    o.waitMs = 5_000;
    return o;
  }

  static Producer.Options small(World w) {
    Producer.Options o = options(w);
    o.settings = java.util.Map.of("segment_bytes", "4096");
    return o;
  }

  static List<Rec> recs(String... values) {
    List<Rec> out = new ArrayList<>();
    for (String v : values) out.add(Rec.of("t", null, v));
    return out;
  }

  static List<String> all(Path dir) {
    try (Reader r = Reader.open(dir)) {
      return all(r);
    }
  }

  static List<String> all(Reader r) {
    List<String> out = new ArrayList<>();
    for (Reader.Message m; (m = r.poll()) != null; ) out.add(m.value());
    return out;
  }

  static PuroException fails(PuroException.Kind kind, Executable e) {
    PuroException x = Assertions.assertThrows(PuroException.class, e);
    Assertions.assertEquals(kind, x.kind, x.getMessage());
    return x;
  }

  static Path segment(Path dir, long n) {
    return dir.resolve(Names.segment(n));
  }

  static void append(Path file, byte[] bytes) throws IOException {
    Files.write(file, bytes, java.nio.file.StandardOpenOption.APPEND);
  }

  static void flip(Path file, long at) throws IOException {
    byte[] b = Files.readAllBytes(file);
    b[(int) at] ^= 1;
    Files.write(file, b);
  }

  static final List<String> JAVA = List.of(System.getProperty("java.home") + "/bin/java", "-XX:+UseSerialGC",
      "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xmx256m", "-cp", "target/test-classes:target/classes");

  /** A program of this port in another process. */
  static Process java(Object... args) throws IOException {
    return start(JAVA, "puro.Main", args);
  }

  static Process start(List<String> before, String program, Object... args) throws IOException {
    List<String> cmd = new ArrayList<>(before);
    cmd.add(program);
    for (Object a : args) cmd.add(a.toString());
    return new ProcessBuilder(cmd).redirectError(ProcessBuilder.Redirect.INHERIT).start();
  }

  /** Kills with SIGKILL at the n-th of these system calls. */
  static List<String> strace(int n, String calls) {
    boolean there = List.of(System.getenv("PATH").split(":")).stream().anyMatch(p -> Files.isExecutable(Path.of(p, "strace")));
    if (!there) System.err.println("SKIPPED: there is no strace");
    org.junit.jupiter.api.Assumptions.assumeTrue(there, "there is no strace");
    return List.of("strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=" + calls + n);
  }

  /** The built program, if PURO_PROGRAM names it; else the test is skipped, and says so. */
  static String program() {
    String p = System.getenv("PURO_PROGRAM");
    if (p == null) System.err.println("SKIPPED: PURO_PROGRAM names no program; the tests beside it are left out");
    org.junit.jupiter.api.Assumptions.assumeTrue(p != null, "PURO_PROGRAM names no program");
    return p;
  }

  static Process puro(Object... args) throws IOException {
    return start(List.of(), program(), args);
  }

  static String output(Process p) throws Exception {
    p.getOutputStream().close();
    String s = new String(p.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
    p.waitFor();
    return s;
  }

  private Fixture() {}
}
