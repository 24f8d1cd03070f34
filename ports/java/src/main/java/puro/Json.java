package puro;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * As much of JSON as the kit's lines need (kit.md): objects are maps, lists are lists, numbers are integers of 64 bits
 * without sign, in a Long.
 */
final class Json {
  private final String s;
  private int at;

  private Json(String s) {
    this.s = s;
  }

  /** Throws IllegalArgumentException where it is no JSON, or none of the kit's. */
  static Object parse(String text) {
    try {
      Json j = new Json(text);
      Object v = j.value();
      if (j.next() != 0) throw j.wrong();
      return v;
    } catch (IndexOutOfBoundsException | NumberFormatException e) {
      throw new IllegalArgumentException("no JSON: " + e.getMessage());
    }
  }

  private IllegalArgumentException wrong() {
    return new IllegalArgumentException("no JSON at " + at);
  }

  /** The next character that is no space; 0: there is none. */
  private char next() {
    while (at < s.length() && " \t\r\n".indexOf(s.charAt(at)) >= 0) at++;
    return at < s.length() ? s.charAt(at) : 0;
  }

  private void expect(String word) {
    if (!s.startsWith(word, at)) throw wrong();
    at += word.length();
  }

  private Object value() {
    switch (next()) {
      case '{': return object();
      case '[': return list();
      case '"': return text();
      case 't': expect("true"); return true;
      case 'f': expect("false"); return false;
      case 'n': expect("null"); return null;
      default:
        int from = at;
        while (at < s.length() && Character.isDigit(s.charAt(at))) at++;
        return Long.parseUnsignedLong(s.substring(from, at));
    }
  }

  private Map<String, Object> object() {
    Map<String, Object> out = new LinkedHashMap<>();
    at++;
    if (next() == '}') {
      at++;
      return out;
    }
    while (true) {
      if (next() != '"') throw wrong();
      String name = text();
      if (next() != ':') throw wrong();
      at++;
      out.put(name, value());
      char c = next();
      at++;
      if (c == '}') return out;
      if (c != ',') throw wrong();
    }
  }

  private List<Object> list() {
    List<Object> out = new ArrayList<>();
    at++;
    if (next() == ']') {
      at++;
      return out;
    }
    while (true) {
      out.add(value());
      char c = next();
      at++;
      if (c == ']') return out;
      if (c != ',') throw wrong();
    }
  }

  private String text() {
    StringBuilder out = new StringBuilder();
    for (at++; s.charAt(at) != '"'; at++) {
      char c = s.charAt(at);
      if (c == '\\') {
        c = s.charAt(++at);
        int simple = "bfnrt".indexOf(c);
        if (simple >= 0) c = "\b\f\n\r\t".charAt(simple);
        if (s.charAt(at) == 'u') {
          c = (char) Integer.parseInt(s.substring(at + 1, at + 5), 16);
          at += 4;
        }
      }
      out.append(c);
    }
    at++;
    return out.toString();
  }

  static String write(Object o) {
    StringBuilder out = new StringBuilder();
    write(o, out);
    return out.toString();
  }

  private static void write(Object o, StringBuilder out) {
    if (o instanceof Map<?, ?> m) {
      String between = "{";
      for (var e : m.entrySet()) {
        out.append(between);
        write(e.getKey(), out);
        out.append(':');
        write(e.getValue(), out);
        between = ",";
      }
      out.append(m.isEmpty() ? "{}" : "}");
    } else if (o instanceof List<?> l) {
      out.append('[');
      for (int i = 0; i < l.size(); i++) {
        if (i > 0) out.append(',');
        write(l.get(i), out);
      }
      out.append(']');
    } else if (o instanceof String s) {
      out.append('"');
      for (char c : s.toCharArray()) {
        if (c == '"' || c == '\\') out.append('\\').append(c);
        else if (c < 0x20 || c > 0x7E) out.append(String.format("\\u%04x", (int) c));
        else out.append(c);
      }
      out.append('"');
    } else {
      out.append(o instanceof Number n ? Long.toUnsignedString(n.longValue()) : String.valueOf(o));
    }
  }
}
