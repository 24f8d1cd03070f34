package puro

import (
	"errors"
	"fmt"
	"syscall"
)

// Kind says what an error means to a caller, whatever its text is.
type Kind string

// The kinds of errors. All but the last three are words of the kit (kit.md).
const (
	Refused     Kind = "refused"
	Foreign     Kind = "foreign"
	Damaged     Kind = "damaged"
	Newer       Kind = "newer"
	NotAStream  Kind = "not_a_stream"
	Diverged    Kind = "diverged"
	OutOfRange  Kind = "out_of_range"
	Removed     Kind = "removed"
	Busy        Kind = "busy"
	Conflict    Kind = "conflict"
	OldSequence Kind = "old_sequence"
	System      Kind = "system"
	NotDurable  Kind = "not_durable" // appended, not durable
	Unknown     Kind = "unknown"     // whether it was appended is not known
)

// Error is any failure of this package.
type Error struct {
	Kind Kind
	Text string
	Err  error // the system's answer, where there is one
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Kind, e.Text, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Kind, e.Text)
}

// Unwrap gives the system's answer.
func (e *Error) Unwrap() error { return e.Err }

// KindOf tells the kind of any error; what is none of this package is System.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return System
}

// ErrEnd says that nothing follows yet.
var ErrEnd = errors.New("the end of the stream")

func failf(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

// systemError wraps what the system refused. What is no regular file, or no
// directory, where one must be is not the system's fault: it is refused (F-8, O-5).
func systemError(what string, err error) error {
	if err == nil {
		return nil
	}
	kind := System
	switch {
	case errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.EISDIR),
		errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENOTDIR):
		kind = Refused
	}
	return &Error{Kind: kind, Text: what, Err: err}
}

func isMissing(err error) bool { return errors.Is(err, syscall.ENOENT) }
