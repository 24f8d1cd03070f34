// Replaces a file; `broken` leaves out the fsync of the new one. Go calls the kernel itself.
package main

import (
	"fmt"
	"os"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func put(name, text string, safely bool) {
	file, err := os.Create(name)
	must(err)
	_, err = file.WriteString(text)
	must(err)
	if safely {
		must(file.Sync())
	}
	must(file.Close())
}

func syncDirectory() {
	directory, err := os.Open(".")
	must(err)
	must(directory.Sync())
	must(directory.Close())
}

func main() {
	put("data", "old", true)
	syncDirectory()
	fmt.Println("old")
	put("tmp", "new", len(os.Args) < 2)
	must(os.Rename("tmp", "data"))
	syncDirectory()
	fmt.Println("new")
}
