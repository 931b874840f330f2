// The two servers of NSQ in one program, for the tests: `nsq nsqlookupd TCP HTTP` and
// `nsq nsqd TCP HTTP FOLDER LOOKUPD...`, all addresses as host:port. Ends with SIGTERM.
package main

import (
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/nsqio/nsq/nsqd"
	"github.com/nsqio/nsq/nsqlookupd"
)

type server interface {
	Main() error
	Exit()
}

func lookup(words []string) (server, error) {
	options := nsqlookupd.NewOptions()
	options.TCPAddress, options.HTTPAddress = words[0], words[1]
	options.BroadcastAddress = "127.0.0.1"
	return nsqlookupd.New(options)
}

func daemon(words []string) (server, error) {
	options := nsqd.NewOptions()
	options.TCPAddress, options.HTTPAddress = words[0], words[1]
	options.BroadcastAddress = "127.0.0.1"
	options.DataPath = words[2]
	options.NSQLookupdTCPAddresses = words[3:]
	made, err := nsqd.New(options)
	if err == nil {
		err = made.LoadMetadata()
	}
	return made, err
}

func main() {
	start := map[string]func([]string) (server, error){"nsqlookupd": lookup, "nsqd": daemon}[os.Args[1]]
	made, err := start(os.Args[2:])
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		if err := made.Main(); err != nil {
			log.Fatal(err)
		}
	}()
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	<-ended
	made.Exit()
}
