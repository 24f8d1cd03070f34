package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"puro"
)

// consume prints the values of records, each as a line, and waits for more.
func consume(flags *flag.FlagSet, args []string) error {
	from := flags.String("from", "beginning", "beginning, end, an offset, @ and a time in ms, or a token")
	name := flags.String("name", "", "go on where the last run under this name was")
	topic := flags.String("topic", "", "only records of this topic")
	exit := flags.Bool("e", false, "stop at the end")
	dir, err := directory(flags, args)
	if err != nil {
		return err
	}
	f := follower{dir: dir, topic: *topic, exit: *exit, out: bufio.NewWriter(os.Stdout)}
	if *name != "" {
		c, err := puro.OpenConsumer(dir, *name, puro.Options{})
		if err != nil {
			return lost(err)
		}
		defer c.Close()
		if c.Fresh { // C-9
			fmt.Fprintf(os.Stderr, "puro-go: %s has no position, and begins at offset %d\n", *name, c.Token().Offset)
		}
		f.reader, f.consumer = c.Reader, c
		return f.run()
	}
	r, err := puro.OpenReader(dir, puro.Options{})
	if err != nil {
		return err
	}
	defer r.Close()
	if err := seek(r, *from); err != nil {
		return err
	}
	f.reader = r
	return f.run()
}

// lost tells the exit code of a named consumer whose place is gone (C-9, K-16).
func lost(err error) error {
	if puro.KindOf(err) == puro.OutOfRange {
		fmt.Fprintln(os.Stderr, "puro-go:", err)
		return ended(2)
	}
	return err
}

func seek(r *puro.Reader, from string) error {
	if from == "beginning" {
		return r.SeekBeginning()
	}
	if from == "end" {
		return r.SeekEnd()
	}
	if at, ok := strings.CutPrefix(from, "@"); ok {
		t, err := strconv.ParseUint(at, 10, 64)
		if err != nil {
			return errUsage
		}
		return r.SeekTime(t, uint64(time.Now().UnixMilli()))
	}
	if offset, err := strconv.ParseUint(from, 10, 64); err == nil {
		return r.SeekOffset(offset)
	}
	t, err := puro.ParseToken(from)
	if err != nil {
		return err
	}
	return r.SeekToken(t)
}

// follower prints what a reader gives.
type follower struct {
	dir       string
	topic     string
	exit      bool
	reader    *puro.Reader
	consumer  *puro.Consumer // the same reader, where it has a name
	out       *bufio.Writer
	committed time.Time
	told      bool // the end is not clean, and that was told
}

// run reads until the end, a signal or an error. A position is committed about every
// second, and at the end (C-8).
func (f *follower) run() error {
	for {
		r, err := f.reader.Next()
		if err == nil {
			f.told = false
			if f.topic == "" || f.topic == string(r.Topic) {
				f.out.Write(r.Value)
				f.out.WriteByte('\n')
			}
		} else if !errors.Is(err, puro.ErrEnd) {
			return errors.Join(f.flush(true), lost(err))
		}
		if interrupted.Load() {
			return errors.Join(f.flush(true), errInterrupted)
		}
		if err == nil && time.Since(f.committed) < time.Second {
			continue
		}
		if ferr := f.flush(f.exit && err != nil); ferr != nil {
			return ferr
		}
		if err == nil {
			continue
		}
		if f.exit {
			return f.end()
		}
		if err := f.reader.Wait(); err != nil {
			return err
		}
		if !f.told {
			f.tail()
		}
	}
}

// flush writes what was printed, and commits where that is due or last.
func (f *follower) flush(last bool) error {
	if err := f.out.Flush(); err != nil {
		if errors.Is(err, syscall.EPIPE) {
			return ended(0) // the reader of the output went away
		}
		return err
	}
	if f.consumer == nil || !last && time.Since(f.committed) < time.Second {
		return nil
	}
	f.committed = time.Now()
	return f.consumer.Commit(nil, nil)
}

// tail looks twice at what stands behind the end, and tells it once.
func (f *follower) tail() puro.Label {
	label, err := puro.Tail(f.dir, puro.Options{})
	if err != nil || label == puro.Clean {
		return puro.Clean
	}
	time.Sleep(puro.PollInterval)
	again, err := puro.Tail(f.dir, puro.Options{})
	if err != nil || again != label {
		return puro.Clean
	}
	f.told = true
	fmt.Fprintf(os.Stderr, "puro-go: what stands behind the end is %s\n", label)
	return label
}

// end is how a reader ends that does not wait (R-6, K-16).
func (f *follower) end() error {
	switch f.tail() {
	case puro.Clean:
		return nil
	case puro.LabelBroke:
		return ended(2)
	case puro.Unreadable:
		return ended(74)
	}
	return ended(1)
}
