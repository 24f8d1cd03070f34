package puro;

import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Runs what uses files on threads that nobody interrupts. A FileChannel closes itself when a thread is interrupted in
 * it, and with it go all POSIX locks that this process has on that file (L-2): an interrupted append would go on
 * without writer.lock. So no thread of a user ever touches a channel.
 */
final class Calm {
  private static final ExecutorService THREADS = Executors.newCachedThreadPool(work -> {
    Thread t = new CalmThread(work);
    t.setDaemon(true);
    return t;
  });

  private static final class CalmThread extends Thread {
    CalmThread(Runnable work) {
      super(work, "puro");
    }
  }

  private Calm() {}

  static <T> T run(Callable<T> work) {
    if (Thread.currentThread() instanceof CalmThread) return call(work);
    Future<T> future = THREADS.submit(work);
    boolean interrupted = false;
    try {
      while (true) {
        try {
          return future.get();
        } catch (InterruptedException e) {
          interrupted = true; // told when the work is done
        } catch (ExecutionException e) {
          throw wrap(e.getCause());
        }
      }
    } finally {
      if (interrupted) Thread.currentThread().interrupt();
    }
  }

  private static <T> T call(Callable<T> work) {
    try {
      return work.call();
    } catch (Throwable e) {
      throw wrap(e);
    }
  }

  private static RuntimeException wrap(Throwable e) {
    if (e instanceof Error x) throw x;
    if (e instanceof RuntimeException x) return x;
    return new PuroException(PuroException.Kind.SYSTEM, "the system is in the way", e);
  }
}
