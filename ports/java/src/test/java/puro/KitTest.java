package puro;

import static org.junit.jupiter.api.Assertions.*;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The driver of the kit, spoken to by hand. The cases are the kit's own (README.md). */
class KitTest {
  @TempDir Path tmp;

  private static Map<?, ?> ask(PrintStream to, BufferedReader from, String request) throws Exception {
    to.println(request.replace('\'', '"'));
    to.flush();
    return (Map<?, ?>) Json.parse(from.readLine());
  }

  @Test void requests() throws Exception {
    List<String> cmd = new ArrayList<>(Fixture.JAVA);
    cmd.add("puro.Kit");
    Process p = new ProcessBuilder(cmd).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    String in = "'dir':'" + tmp.resolve("s") + "','clock':1767225600000,'boot':'" + "b1".repeat(16) + "'";
    try (PrintStream to = new PrintStream(p.getOutputStream()); BufferedReader from = new BufferedReader(new InputStreamReader(p.getInputStream()))) {
      assertTrue(((List<?>) ask(to, from, "{'do':'hello'}").get("requests")).contains("consume"));
      assertEquals(0xE3069283L, ask(to, from, "{'do':'crc','bytes':'313233343536373839'}").get("crc"));
      assertEquals("unsupported", ask(to, from, "{'do':'dance','how':['well',null,{'x':true}]}").get("error"));
      assertEquals("not_a_stream", ask(to, from, "{'do':'append'," + in + ",'records':[]}").get("error"));
      assertEquals(true, ask(to, from, "{'do':'create'," + in + ",'settings':{'segment_bytes':'4096'}}").get("made"));
      assertEquals("refused", ask(to, from, "{'do':'set'," + in + ",'name':'durable','value':'perhaps'}").get("error"));
      String record = "'records':[{'topic':'74','key':'6b','value':'76','headers':[['6e','']]}]";
      String once = "{'do':'append'," + in + ",'identity':'a','sequence':18446744073709551615," + record;
      assertEquals(0L, ask(to, from, once + "}").get("first_offset"));
      assertEquals(true, ask(to, from, once + ",'handle':'h'}").get("duplicate"));
      assertEquals("old_sequence", ask(to, from, once.replace("'value':'76'", "'value':'77'") + "}").get("error")); // C-4
      assertEquals("conflict", ask(to, from, "{'do':'append'," + in + ",'if_end':'" + ask(to, from, "{'do':'read'," + in + "}").get("token").toString().replaceAll(":1$", ":0") + "'," + record + "}").get("error"));
      Map<?, ?> read = ask(to, from, "{'do':'consume'," + in + ",'name':'n','commit':true," + record + ",'handle':'c'}");
      assertEquals("[{topic=74, key=6b, value=76, headers=[[6e, ]], offset=0, time=1767225600000}]", read.get("records").toString());
      assertEquals("busy", ask(to, from, "{'do':'consume'," + in + ",'name':'n'}").get("error"));
      assertTrue(ask(to, from, "{'do':'close','handle':'c'}").isEmpty());
      assertEquals("sound", ask(to, from, "{'do':'verify'," + in + ",'deep':true}").get("verdict"));
      assertEquals(2L, ask(to, from, "{'do':'info'," + in + "}").get("next_offset"));
    }
    assertEquals(0, p.waitFor());
  }

  @Test void json() {
    String text = "{\"a\":[1,18446744073709551615,true,null,\"\\\"\\u00e9\\n\"],\"b\":{}}";
    assertEquals(text.replace("\\n", "\\u000a"), Json.write(Json.parse(" " + text.replace(",", " , "))));
    for (String wrong : List.of("", "{", "[1,]", "{\"a\"}", "1.5", "tru", "\"", "[] x", "-1")) {
      assertThrows(IllegalArgumentException.class, () -> Json.parse(wrong), wrong);
    }
  }
}
