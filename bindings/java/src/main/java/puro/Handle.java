package puro;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;

/** A handle of C: threads take turns, and nobody uses it once it is closed. */
final class Handle {
    interface Opening {
        void open(Arena arena, MemorySegment out);
    }

    // Fair: a consumer that waits asks again and again.
    private final ReentrantLock lock = new ReentrantLock(true);
    private final String what;
    private final MethodHandle free;
    private MemorySegment pointer;

    private Handle(String what, MethodHandle free, MemorySegment pointer) {
        this.what = what;
        this.free = free;
        this.pointer = pointer;
    }

    static Handle open(String what, MethodHandle free, Opening opening) {
        try (var arena = Arena.ofConfined()) {
            var out = arena.allocate(ValueLayout.ADDRESS);
            opening.open(arena, out);
            return new Handle(what, free, out.get(ValueLayout.ADDRESS, 0));
        }
    }

    <R> R use(Function<MemorySegment, R> work) {
        lock.lock();
        try {
            if (pointer == null) throw PuroException.misuse("the " + what + " is closed");
            return work.apply(pointer);
        } finally {
            lock.unlock();
        }
    }

    boolean isClosed() {
        lock.lock();
        try {
            return pointer == null;
        } finally {
            lock.unlock();
        }
    }

    /** Closes by the function given, if any, and frees in any case; does nothing the second time. */
    void close(MethodHandle close) {
        lock.lock();
        try {
            if (pointer == null) return;
            var closing = pointer;
            pointer = null;
            try {
                if (close != null) Native.call(close, closing);
            } finally {
                Native.run(free, closing);
            }
        } finally {
            lock.unlock();
        }
    }
}
