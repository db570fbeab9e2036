// Command hello is small, so that tests of the image need not build dmm.
package main

func main() { println("hello") }
