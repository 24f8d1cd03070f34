package puro

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lockFile is an exclusive lock on a lock file: writer.lock, or that of a name (L-1).
type lockFile struct {
	dir  *file  // the directory that the name stands in
	name string // in that directory
	file *file  // open, perhaps locked
	held bool
}

// lockPoll is how long one waits between two tries of a lock.
const lockPoll = time.Millisecond

// acquire takes the lock, and waits for it as long as that (L-8). like says what a
// lock file that is made should be like (O-9).
func (l *lockFile) acquire(wait time.Duration, like *syscall.Stat_t) error {
	deadline := time.Now().Add(wait)
	for {
		if l.file == nil {
			if err := l.open(like); err != nil {
				return err
			}
		}
		for {
			had, err := l.file.tryLock(syscall.F_WRLCK)
			if err != nil {
				return err
			}
			if had {
				break
			}
			if !time.Now().Before(deadline) {
				return failf(Busy, "%s is held by another", l.name)
			}
			time.Sleep(lockPoll)
		}
		leads, err := l.leads()
		if err == nil && leads {
			l.held = true
			l.freshen()
			return nil
		}
		l.drop() // the name leads elsewhere by now: begin again (L-4)
		if err != nil {
			return err
		}
	}
}

func (l *lockFile) open(like *syscall.Stat_t) error {
	f, err := openRegular(l.dir, l.name, syscall.O_RDWR, 0)
	if isMissing(err) {
		f, err = openRegular(l.dir, l.name, syscall.O_RDWR|syscall.O_CREAT, 0o666)
		if isMissing(err) {
			return failf(Removed, "the stream's directory was removed") // L-4
		}
		if err == nil && like != nil {
			f.alike(*like)
		}
	}
	if err != nil {
		return err
	}
	l.file = f
	return nil
}

// leads says whether the name still leads to the file that is open, and refuses
// one that has other names (L-4, F-44).
func (l *lockFile) leads() (bool, error) {
	mine, err := l.file.stat()
	if err != nil {
		return false, err
	}
	named, err := statat(l.dir, l.name)
	if isMissing(err) || err == nil && !sameFile(mine, named) {
		return false, nil
	}
	if err != nil {
		return false, systemError("looking up "+l.name, err)
	}
	if named.Nlink != 1 {
		return false, failf(Refused, "%s has other names", l.name)
	}
	return true, nil
}

// freshen sees to it that the times are of the last day, so that cleaners of old
// files leave it: a byte is written and cut off (L-4, F-40).
func (l *lockFile) freshen() {
	st, err := l.file.stat()
	if err != nil || time.Since(time.Unix(st.Mtim.Sec, 0)) < 24*time.Hour {
		return
	}
	if l.file.writeAt(uint64(st.Size), []byte{0}) == nil {
		_ = l.file.truncate(uint64(st.Size))
	}
}

// hint says who holds the lock, as one line (F-40).
func (l *lockFile) hint(now uint64) {
	line := fmt.Sprintf("%d %d %d\n", os.Getpid(), processStart(), now)
	if l.file.truncate(0) == nil {
		_ = l.file.writeAt(0, []byte(line))
	}
}

// processStart is field 22 of /proc/self/stat, 0 where unknown.
func processStart() uint64 {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	text := string(b)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return 0
	}
	n, _ := strconv.ParseUint(fields[19], 10, 64)
	return n
}

// release lets go of the lock and keeps the file open for the next time.
func (l *lockFile) release() {
	if l.held {
		l.file.unlock()
		l.held = false
	}
}

// drop closes the file; an open-file-description lock goes with it.
func (l *lockFile) drop() {
	l.file.close()
	l.file, l.held = nil, false
}
