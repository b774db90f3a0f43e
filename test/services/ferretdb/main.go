// A MongoDB-compatible server for tests: FerretDB over SQLite, on 127.0.0.1.
//
//	ferretdb <port, 0 for any free one> <data directory>
//
// Prints its URL when it listens. Ends with SIGTERM or SIGINT.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 3 {
		return fmt.Errorf("usage: %s <port> <data directory>", filepath.Base(os.Args[0]))
	}
	port, directory := os.Args[1], os.Args[2]
	data := url.URL{Scheme: "file", Opaque: filepath.ToSlash(directory) + "/"}

	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:" + port},
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Handler:   "sqlite",
		SQLiteURL: data.String(),
	})
	if err != nil {
		return err
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	// It waits until the port is open.
	go func() { fmt.Println(server.MongoDBURI()) }()

	return server.Run(ctx)
}
