package puro

import (
	"errors"
	"io"
	"syscall"
	"unsafe"
)

// Numbers of Linux that package syscall does not name.
const (
	ofdSetLock      = 37 // F_OFD_SETLK
	atFdcwd         = -0x64
	atNoFollow      = 0x100
	fallocKeepSize  = 1
	openForData     = syscall.O_NOFOLLOW | syscall.O_NONBLOCK | syscall.O_CLOEXEC // F-54
	openDirectories = syscall.O_RDONLY | syscall.O_DIRECTORY | syscall.O_CLOEXEC
)

// file is an open descriptor. Calls that a signal interrupted are made again.
type file struct{ fd int }

func again(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}

// openat opens a name in a directory that is held (O-8).
func openat(dir *file, name string, flags int, mode uint32) (*file, error) {
	fd, at := -1, atFdcwd
	if dir != nil {
		at = dir.fd
	}
	err := again(func() (err error) { fd, err = syscall.Openat(at, name, flags|syscall.O_CLOEXEC, mode); return })
	if err != nil {
		return nil, err
	}
	return &file{fd}, nil
}

// openRegular opens a regular file without following links and without waiting,
// and refuses every other kind (F-8, F-54, O-5).
func openRegular(dir *file, name string, flags int, mode uint32) (*file, error) {
	f, err := openat(dir, name, flags|openForData, mode)
	if err != nil {
		return nil, systemError("opening "+name, err)
	}
	st, err := f.stat()
	if err == nil && st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		err = failf(Refused, "%s is no regular file", name)
	}
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *file) close() {
	if f != nil && f.fd >= 0 {
		_ = syscall.Close(f.fd)
		f.fd = -1
	}
}

func (f *file) stat() (syscall.Stat_t, error) {
	var st syscall.Stat_t
	err := again(func() error { return syscall.Fstat(f.fd, &st) })
	return st, systemError("fstat", err)
}

// statat asks what a name in a directory leads to, without opening it.
func statat(dir *file, name string) (syscall.Stat_t, error) {
	var st syscall.Stat_t
	p, err := syscall.BytePtrFromString(name)
	if err != nil {
		return st, err
	}
	err = again(func() error {
		_, _, e := syscall.Syscall6(sysFstatat, uintptr(dir.fd), uintptr(unsafe.Pointer(p)),
			uintptr(unsafe.Pointer(&st)), atNoFollow, 0, 0)
		if e != 0 {
			return e
		}
		return nil
	})
	return st, err
}

func sameFile(a, b syscall.Stat_t) bool { return a.Dev == b.Dev && a.Ino == b.Ino }

// readAt gives up to n bytes, fewer where the file ends.
func (f *file) readAt(position uint64, n int) ([]byte, error) {
	b := make([]byte, n)
	got := 0
	for got < n {
		k := 0
		err := again(func() (err error) { k, err = syscall.Pread(f.fd, b[got:], int64(position)+int64(got)); return })
		if err != nil {
			return nil, systemError("reading", err)
		}
		if k == 0 {
			break
		}
		got += k
	}
	return b[:got], nil
}

func (f *file) writeAt(position uint64, b []byte) error {
	for len(b) > 0 {
		k := 0
		err := again(func() (err error) { k, err = syscall.Pwrite(f.fd, b, int64(position)); return })
		if err == nil && k == 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return systemError("writing", err)
		}
		b = b[k:]
		position += uint64(k)
	}
	return nil
}

func (f *file) truncate(length uint64) error {
	return systemError("truncating", again(func() error { return syscall.Ftruncate(f.fd, int64(length)) }))
}

// datasync is called for files only; an interruption is a failed sync, too, for
// nobody says what was lost by it (M-6).
func (f *file) datasync() error { return systemError("fdatasync", syscall.Fdatasync(f.fd)) }

// sync is called for directories.
func (f *file) sync() error {
	return systemError("fsync of a directory", again(func() error { return syscall.Fsync(f.fd) }))
}

// reserve asks for room on disk without changing the length. It is a favour.
func (f *file) reserve(position, n uint64) error {
	return again(func() error { return syscall.Fallocate(f.fd, fallocKeepSize, int64(position), int64(n)) })
}

// freeBytes is the room that the file system has for this user.
func (f *file) freeBytes() (uint64, error) {
	var st syscall.Statfs_t
	if err := again(func() error { return syscall.Fstatfs(f.fd, &st) }); err != nil {
		return 0, systemError("statfs", err)
	}
	return st.Bavail * uint64(st.Bsize), nil
}

func unlinkat(dir *file, name string) error {
	return again(func() error { return syscall.Unlinkat(dir.fd, name) })
}

func renameat(dir *file, from, to string) error {
	return again(func() error { return syscall.Renameat(dir.fd, from, dir.fd, to) })
}

func mkdirat(dir *file, name string, mode uint32) error {
	at := atFdcwd
	if dir != nil {
		at = dir.fd
	}
	return again(func() error { return syscall.Mkdirat(at, name, mode) })
}

// tryLock asks for an open-file-description lock on the whole file (L-1), and says
// whether it was had.
func (f *file) tryLock(kind int16) (bool, error) {
	lock := syscall.Flock_t{Type: kind}
	err := again(func() error { return syscall.FcntlFlock(uintptr(f.fd), ofdSetLock, &lock) })
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		return false, nil
	}
	return err == nil, systemError("locking", err)
}

func (f *file) unlock() {
	lock := syscall.Flock_t{Type: syscall.F_UNLCK}
	_ = again(func() error { return syscall.FcntlFlock(uintptr(f.fd), ofdSetLock, &lock) })
}

// alike gives a new file or directory the mode, and as far as the system lets it
// the owner, of what it continues (O-9).
func (f *file) alike(like syscall.Stat_t) {
	st, err := f.stat()
	if err != nil {
		return
	}
	if st.Uid != like.Uid || st.Gid != like.Gid {
		if syscall.Fchown(f.fd, int(like.Uid), int(like.Gid)) != nil {
			_ = syscall.Fchown(f.fd, -1, int(like.Gid))
		}
	}
	if st.Mode&0o7777 != like.Mode&0o7777 {
		_ = syscall.Fchmod(f.fd, like.Mode&0o7777)
	}
}

// networkFileSystems are the f_type of statfs that M-1 names.
var networkFileSystems = map[uint32]string{
	0x6969: "NFS", 0x517b: "SMB", 0xff534d42: "CIFS", 0xfe534d42: "SMB2", 0x5346414f: "AFS", 0x6b414653: "AFS",
	0x73757245: "Coda", 0x564c: "NCP", 0x00c36400: "Ceph", 0x01021997: "9P", 0x0bd00bd0: "Lustre",
	0x01161970: "GFS2", 0x7461636f: "OCFS2", 0x65735546: "FUSE",
}

// refuseNetwork refuses a network file system (M-1).
func (f *file) refuseNetwork() error {
	var st syscall.Statfs_t
	if err := again(func() error { return syscall.Fstatfs(f.fd, &st) }); err != nil {
		return systemError("statfs", err)
	}
	if name := networkFileSystems[uint32(st.Type)]; name != "" {
		return failf(Refused, "the directory is on a network file system (%s)", name)
	}
	return nil
}
