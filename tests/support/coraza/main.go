// A reverse proxy with Coraza in front of it: what Lockgate is compared with, in regression cases and in the benchmark.
//
//	coraza-proxy -listen 127.0.0.1:8080 -origin 127.0.0.1:9090 -rules rules.conf [-log matches.jsonl]
//
// The log, where one is asked for, has a line for each connection and for each rule that logs:
//
//	{"connection": 1, "port": 40312}
//	{"connection": 1, "rule": 920100, "line": "..."}
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/experimental"
	corazahttp "github.com/corazawaf/coraza/v3/http"
	"github.com/corazawaf/coraza/v3/types"
)

type entry struct {
	Connection int64  `json:"connection"`
	Port       int    `json:"port,omitempty"`
	Rule       int    `json:"rule,omitempty"`
	Line       string `json:"line,omitempty"`
}

// A log that several connections write to.
type journal struct {
	lock sync.Mutex
	file *os.File
	out  *bufio.Writer
}

func opened(path string) *journal {
	if path == "" {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		log.Fatal(err)
	}
	return &journal{file: file, out: bufio.NewWriter(file)}
}

func (j *journal) write(what entry) {
	if j == nil {
		return
	}
	line, err := json.Marshal(what)
	if err != nil {
		log.Fatal(err)
	}
	j.lock.Lock()
	defer j.lock.Unlock()
	if _, err := j.out.Write(append(line, '\n')); err != nil {
		log.Fatal(err)
	}
}

func (j *journal) close() {
	if j == nil {
		return
	}
	j.lock.Lock()
	defer j.lock.Unlock()
	if err := j.out.Flush(); err != nil {
		log.Fatal(err)
	}
	if err := j.file.Close(); err != nil {
		log.Fatal(err)
	}
}

type connectionKey struct{}

// Transactions that bear the number of their connection.
type numbered struct {
	coraza.WAF
	inner experimental.WAFWithOptions
}

func (n numbered) NewTransactionWithOptions(options experimental.Options) types.Transaction {
	if number, ok := options.Context.Value(connectionKey{}).(int64); ok {
		options.ID = strconv.FormatInt(number, 10)
	}
	return n.inner.NewTransactionWithOptions(options)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	origin := flag.String("origin", "", "address of the origin")
	rules := flag.String("rules", "", "file of directives")
	path := flag.String("log", "", "file to write matches to")
	flag.Parse()

	matches := opened(*path)
	config := coraza.NewWAFConfig().WithDirectivesFromFile(*rules)
	if matches != nil {
		config = config.WithErrorCallback(func(match types.MatchedRule) {
			number, _ := strconv.ParseInt(match.TransactionID(), 10, 64)
			matches.write(entry{Connection: number, Rule: match.Rule().ID(), Line: match.ErrorLog()})
		})
	}
	waf, err := coraza.NewWAF(config)
	if err != nil {
		log.Fatal(err)
	}
	if matches != nil {
		inner, ok := waf.(experimental.WAFWithOptions)
		if !ok {
			log.Fatal("this version of Coraza takes no options for a transaction")
		}
		waf = numbered{waf, inner}
	}

	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: *origin})
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute, DisableCompression: true}
	var connections atomic.Int64
	server := &http.Server{
		Addr:    *listen,
		Handler: corazahttp.WrapHandler(waf, proxy),
		ConnContext: func(ctx context.Context, connection net.Conn) context.Context {
			if matches == nil {
				return ctx
			}
			number := connections.Add(1)
			if address, ok := connection.RemoteAddr().(*net.TCPAddr); ok {
				matches.write(entry{Connection: number, Port: address.Port})
			}
			return context.WithValue(ctx, connectionKey{}, number)
		},
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	done := make(chan struct{})
	go func() {
		<-stop
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			log.Print(err)
		}
		close(done)
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-done
	matches.close()
}
