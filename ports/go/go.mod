module puro

go 1.26
