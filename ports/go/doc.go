// Package puro reads and writes Puro streams: directories of segment files that
// processes of one machine share through files and locks.
//
// It was written from the specification alone (format.md and protocol.md);
// comments name the clause that a piece of code carries out, such as F-19 or A-5.
// It is meant to be read beside the specification: it is right before it is fast.
package puro
