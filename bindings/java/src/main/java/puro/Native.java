package puro;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/** The functions of puro.h, and its structs by the places of their fields. */
final class Native {
    /** What {@code puro_abi_version} must answer: the places below are of this one. */
    private static final int ABI_VERSION = 1;

    static final int OK = 0;
    static final int NOTHING = 1;

    // sizeof, and offsetof by field.
    static final long BYTES = 16, HEADER = 32, TOKEN = 32, APPENDED = 56;
    static final long NEW_RECORD = 64, NEW_KEY = 16, NEW_VALUE = 32, NEW_HEADERS = 48;
    static final long RECORD = 80, RECORD_TOPIC = 16, RECORD_KEY = 32, RECORD_VALUE = 48, RECORD_HEADERS = 64;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final SymbolLookup LIBRARY = load();

    static final MethodHandle BATCH_OPEN = code("puro_batch_open", ADDRESS);
    static final MethodHandle BATCH_PUSH = code("puro_batch_push", ADDRESS, ADDRESS);
    static final MethodHandle BATCH_CLEAR = code("puro_batch_clear", ADDRESS);
    static final MethodHandle BATCH_FREE = nothing("puro_batch_free");
    static final MethodHandle PRODUCER_OPEN = code("puro_producer_open", ADDRESS, ADDRESS, ADDRESS);
    static final MethodHandle APPEND = code("puro_append", ADDRESS, ADDRESS, ADDRESS);
    static final MethodHandle APPEND_BATCH = code("puro_append_batch", ADDRESS, ADDRESS, ADDRESS, ADDRESS);
    static final MethodHandle SYNC = code("puro_sync", ADDRESS);
    static final MethodHandle PRODUCER_TOKEN = code("puro_producer_token", ADDRESS, ADDRESS);
    static final MethodHandle LAST_SEQUENCE = code("puro_last_sequence", ADDRESS, ADDRESS, ADDRESS);
    static final MethodHandle SET = code("puro_set", ADDRESS, ADDRESS, ADDRESS);
    static final MethodHandle PRODUCER_CLOSE = code("puro_producer_close", ADDRESS);
    static final MethodHandle PRODUCER_FREE = nothing("puro_producer_free");
    static final MethodHandle CONSUMER_OPEN = code("puro_consumer_open", ADDRESS, ADDRESS, ADDRESS);
    static final MethodHandle NEXT = code("puro_next", ADDRESS, JAVA_LONG, ADDRESS);
    static final MethodHandle NEXT_BLOCK = code("puro_next_block", ADDRESS, JAVA_LONG, ADDRESS, ADDRESS);
    static final MethodHandle CONSUMER_TOKEN = code("puro_consumer_token", ADDRESS, ADDRESS);
    static final MethodHandle COMMIT = code("puro_commit", ADDRESS);
    static final MethodHandle CONSUMER_CLOSE = code("puro_consumer_close", ADDRESS);
    static final MethodHandle CONSUMER_FREE = nothing("puro_consumer_free");
    private static final MethodHandle TOKEN_PARSE = code("puro_token_parse", ADDRESS, ADDRESS);
    private static final MethodHandle LAST_ERROR =
            LINKER.downcallHandle(symbol("puro_last_error"), FunctionDescriptor.of(unlimited()));

    static {
        int version = call(code("puro_abi_version"));
        if (version != ABI_VERSION) {
            throw new UnsatisfiedLinkError("libpuro_c has ABI version " + version + ", not " + ABI_VERSION);
        }
    }

    private Native() {}

    /** The library that {@code puro.library} names, or else the one in the jar. */
    private static SymbolLookup load() {
        var given = System.getProperty("puro.library");
        if (given != null) return SymbolLookup.libraryLookup(Path.of(given), Arena.global());
        var name = "/natives/" + System.getProperty("os.name") + "-" + System.getProperty("os.arch") + "/libpuro_c.so";
        try (var packed = Native.class.getResourceAsStream(name)) {
            if (packed == null) throw new UnsatisfiedLinkError("this jar has no " + name + "; set puro.library");
            var file = Files.createTempFile("libpuro_c", ".so");
            try {
                Files.copy(packed, file, StandardCopyOption.REPLACE_EXISTING);
                return SymbolLookup.libraryLookup(file, Arena.global());
            } finally {
                Files.delete(file); // It stays loaded.
            }
        } catch (IOException error) {
            throw (Error) new UnsatisfiedLinkError("cannot unpack " + name).initCause(error);
        }
    }

    private static MemorySegment symbol(String name) {
        return LIBRARY.find(name).orElseThrow(() -> new UnsatisfiedLinkError(name));
    }

    private static MethodHandle code(String name, MemoryLayout... arguments) {
        return LINKER.downcallHandle(symbol(name), FunctionDescriptor.of(JAVA_INT, arguments));
    }

    private static MethodHandle nothing(String name) {
        return LINKER.downcallHandle(symbol(name), FunctionDescriptor.ofVoid(ADDRESS));
    }

    private static AddressLayout unlimited() {
        return ADDRESS.withTargetLayout(MemoryLayout.sequenceLayout(Long.MAX_VALUE, JAVA_BYTE));
    }

    /** A call by its exact types: one that finds them out as it runs costs the processor more. */
    private interface Exactly {
        int call() throws Throwable;
    }

    /** Calls; answers {@link #OK} or {@link #NOTHING}, and throws what went wrong. */
    private static int checked(Exactly exactly) {
        int code;
        try {
            code = exactly.call();
        } catch (Throwable error) {
            throw new AssertionError(error);
        }
        if (code >= 100) throw lastError();
        return code;
    }

    static int call(MethodHandle function) {
        return checked(() -> (int) function.invokeExact());
    }

    static int call(MethodHandle function, MemorySegment a) {
        return checked(() -> (int) function.invokeExact(a));
    }

    static int call(MethodHandle function, MemorySegment a, MemorySegment b) {
        return checked(() -> (int) function.invokeExact(a, b));
    }

    static int call(MethodHandle function, MemorySegment a, MemorySegment b, MemorySegment c) {
        return checked(() -> (int) function.invokeExact(a, b, c));
    }

    static int call(MethodHandle function, MemorySegment a, MemorySegment b, MemorySegment c, MemorySegment d) {
        return checked(() -> (int) function.invokeExact(a, b, c, d));
    }

    static int call(MethodHandle function, MemorySegment a, long timeoutMs, MemorySegment b) {
        return checked(() -> (int) function.invokeExact(a, timeoutMs, b));
    }

    static int call(MethodHandle function, MemorySegment a, long timeoutMs, MemorySegment b, MemorySegment c) {
        return checked(() -> (int) function.invokeExact(a, timeoutMs, b, c));
    }

    static void run(MethodHandle function, MemorySegment handle) {
        try {
            function.invokeExact(handle);
        } catch (Throwable error) {
            throw new AssertionError(error);
        }
    }

    private static PuroException lastError() {
        try {
            var error = (MemorySegment) LAST_ERROR.invokeExact();
            var was = error.get(JAVA_INT, 24);
            var wasAppended = was < 0 ? Optional.<Boolean>empty() : Optional.of(was == 1);
            var message = error.get(unlimited(), 8).getString(0);
            var wayOut = error.get(unlimited(), 16).getString(0);
            return PuroException.of(error.get(JAVA_INT, 0), message, wayOut, wasAppended);
        } catch (Throwable error) {
            throw new AssertionError(error);
        }
    }

    static void putBytes(SegmentAllocator arena, MemorySegment to, long at, byte[] bytes) {
        if (bytes == null) return;
        // At least one byte: what is empty is not missing.
        var copy = arena.allocate(Math.max(bytes.length, 1));
        MemorySegment.copy(bytes, 0, copy, JAVA_BYTE, 0, bytes.length);
        to.set(ADDRESS, at, copy);
        to.set(JAVA_LONG, at + 8, bytes.length);
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static MemorySegment newRecord(SegmentAllocator arena, NewRecord record) {
        var made = arena.allocate(NEW_RECORD, 8).fill((byte) 0);
        putBytes(arena, made, 0, utf8(record.topic()));
        putBytes(arena, made, NEW_KEY, record.key());
        putBytes(arena, made, NEW_VALUE, record.value());
        var headers = record.headers();
        if (!headers.isEmpty()) {
            var array = arena.allocate(HEADER * headers.size(), 8);
            for (int i = 0; i < headers.size(); i++) {
                putBytes(arena, array, i * HEADER, utf8(headers.get(i).name()));
                putBytes(arena, array, i * HEADER + BYTES, headers.get(i).value());
            }
            made.set(ADDRESS, NEW_HEADERS, array);
            made.set(JAVA_LONG, NEW_HEADERS + 8, headers.size());
        }
        return made;
    }

    private static byte[] bytes(MemorySegment from, long at) {
        var data = from.get(ADDRESS, at);
        if (data.equals(MemorySegment.NULL)) return null;
        return data.reinterpret(from.get(JAVA_LONG, at + 8)).toArray(JAVA_BYTE);
    }

    private static String text(MemorySegment from, long at) {
        return new String(bytes(from, at), StandardCharsets.UTF_8);
    }

    /** A copy of a record that is borrowed. */
    static StreamRecord record(MemorySegment from) {
        long count = from.get(JAVA_LONG, RECORD_HEADERS + 8);
        List<Header> headers = List.of();
        if (count > 0) {
            var array = from.get(ADDRESS, RECORD_HEADERS).reinterpret(count * HEADER);
            headers = new ArrayList<>((int) count);
            for (long at = 0; at < count * HEADER; at += HEADER) {
                headers.add(new Header(text(array, at), bytes(array, at + BYTES)));
            }
        }
        var time = Instant.ofEpochMilli(from.get(JAVA_LONG, 8));
        var topic = text(from, RECORD_TOPIC);
        var key = bytes(from, RECORD_KEY);
        return new StreamRecord(
                from.get(JAVA_LONG, 0), time, topic, key, bytes(from, RECORD_VALUE), List.copyOf(headers));
    }

    static MemorySegment putToken(MemorySegment to, Token token) {
        MemorySegment.copy(HexFormat.of().parseHex(token.streamId()), 0, to, JAVA_BYTE, 0, 16);
        to.set(JAVA_INT, 16, token.epoch());
        to.set(JAVA_LONG, 24, token.offset());
        return to;
    }

    static Token token(MemorySegment from) {
        var id = HexFormat.of().formatHex(from.asSlice(0, 16).toArray(JAVA_BYTE));
        return new Token(id, from.get(JAVA_INT, 16), from.get(JAVA_LONG, 24));
    }

    static Appended appended(MemorySegment from) {
        return new Appended(
                from.get(JAVA_LONG, 0),
                from.get(JAVA_INT, 16),
                Instant.ofEpochMilli(from.get(JAVA_LONG, 8)),
                from.get(ValueLayout.JAVA_BOOLEAN, 20),
                token(from.asSlice(24, TOKEN)));
    }

    static Token parseToken(String text) {
        try (var arena = Arena.ofConfined()) {
            var out = arena.allocate(TOKEN, 8);
            call(TOKEN_PARSE, arena.allocateFrom(text), out);
            return token(out);
        }
    }
}
