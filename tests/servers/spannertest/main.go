// spannertest behind REST: Google's in-memory Spanner for tests speaks gRPC, and triggers ask over HTTP. The
// messages are Google's own, in their JSON form, as its gateway has them.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
	"strings"

	"cloud.google.com/go/spanner/admin/database/apiv1/databasepb"
	"cloud.google.com/go/spanner/apiv1/spannerpb"
	"cloud.google.com/go/spanner/spannertest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

var statuses = map[codes.Code]int{
	codes.InvalidArgument: 400, codes.FailedPrecondition: 400, codes.OutOfRange: 400, codes.NotFound: 404,
	codes.AlreadyExists: 409, codes.Unimplemented: 501, codes.Unavailable: 503,
}

type gateway struct {
	spanner spannerpb.SpannerClient
	admin   databasepb.DatabaseAdminClient
}

func main() {
	listen := flag.String("listen", "127.0.0.1:9020", "address of the REST interface")
	flag.Parse()
	server, err := spannertest.NewServer("127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	conn, err := grpc.NewClient(server.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	serving := gateway{spannerpb.NewSpannerClient(conn), databasepb.NewDatabaseAdminClient(conn)}
	log.Fatal(http.ListenAndServe(*listen, serving))
}

func (g gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/v1/")
	switch {
	case strings.HasSuffix(name, "/sessions"):
		asked := &spannerpb.CreateSessionRequest{}
		answer(w, body, asked, func(ctx context.Context) (proto.Message, error) {
			asked.Database = strings.TrimSuffix(name, "/sessions")
			session, err := g.spanner.CreateSession(ctx, asked)
			if err != nil {
				return nil, err
			}
			// Its own names are no whole ones; Google's are.
			session.Name = name + "/" + last(session.Name)
			return session, nil
		})
	case strings.HasSuffix(name, ":executeSql"):
		asked := &spannerpb.ExecuteSqlRequest{}
		answer(w, body, asked, func(ctx context.Context) (proto.Message, error) {
			asked.Session = last(strings.TrimSuffix(name, ":executeSql"))
			return g.spanner.ExecuteSql(ctx, asked)
		})
	case strings.HasSuffix(name, ":commit"):
		asked := &spannerpb.CommitRequest{}
		answer(w, body, asked, func(ctx context.Context) (proto.Message, error) {
			asked.Session = last(strings.TrimSuffix(name, ":commit"))
			return g.spanner.Commit(ctx, asked)
		})
	case strings.HasSuffix(name, ":beginTransaction"):
		asked := &spannerpb.BeginTransactionRequest{}
		answer(w, body, asked, func(ctx context.Context) (proto.Message, error) {
			asked.Session = last(strings.TrimSuffix(name, ":beginTransaction"))
			return g.spanner.BeginTransaction(ctx, asked)
		})
	case strings.HasSuffix(name, "/ddl"):
		asked := &databasepb.UpdateDatabaseDdlRequest{}
		answer(w, body, asked, func(ctx context.Context) (proto.Message, error) {
			asked.Database = strings.TrimSuffix(name, "/ddl")
			return g.admin.UpdateDatabaseDdl(ctx, asked)
		})
	default:
		refuse(w, status.Error(codes.NotFound, "no such method"))
	}
}

func last(name string) string {
	return name[strings.LastIndex(name, "/")+1:]
}

func answer(w http.ResponseWriter, body []byte, asked proto.Message, call func(context.Context) (proto.Message, error)) {
	if len(body) > 0 {
		if err := protojson.Unmarshal(body, asked); err != nil {
			refuse(w, status.Error(codes.InvalidArgument, err.Error()))
			return
		}
	}
	told, err := call(context.Background())
	if err != nil {
		refuse(w, err)
		return
	}
	text, err := protojson.Marshal(told)
	if err != nil {
		refuse(w, status.Error(codes.Internal, err.Error()))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(text)
}

func refuse(w http.ResponseWriter, err error) {
	told := status.Convert(err)
	number, known := statuses[told.Code()]
	if !known {
		number = 500
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(number)
	word := strings.ToUpper(strings.Join(split(told.Code().String()), "_"))
	json.NewEncoder(w).Encode(map[string]any{
		"error": map[string]any{"code": number, "message": told.Message(), "status": word},
	})
}

func split(name string) []string {
	var words []string
	for _, sign := range name {
		if sign >= 'A' && sign <= 'Z' || len(words) == 0 {
			words = append(words, "")
		}
		words[len(words)-1] += string(sign)
	}
	return words
}
