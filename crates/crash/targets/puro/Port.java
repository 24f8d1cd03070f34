// What a port prints, by the one in Java:
//   javac -d /tmp/port-java ports/java/src/main/java/puro/*.java crates/crash/targets/puro/Port.java
//   crates/crash/targets/run port java -XX:-UsePerfData -XX:TieredStopAtLevel=1 -cp /tmp/port-java Port
// (Without the first option the JVM keeps figures about itself in a shared map in /tmp.)
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import puro.Producer;
import puro.Rec;

public final class Port {
  public static void main(String[] args) {
    Producer.Options options = new Producer.Options();
    options.settings = Map.of("segment_bytes", "4096");
    String filler = ".".repeat(600);
    Producer.create(Path.of("s"), options);
    say("s created");
    // Four producers, two records each: every one opens the stream anew, and repairs what it finds.
    for (int first = 1; first <= 7; first += 2) {
      try (Producer producer = Producer.open(Path.of("s"), options)) {
        for (int number = first; number <= first + 1; number++) {
          producer.append(List.of(Rec.of("t", null, "record " + number + " " + filler)), true);
          say("s record " + number);
        }
      }
    }
  }

  private static void say(String line) {
    System.out.println(line);
    System.out.flush();
  }
}
