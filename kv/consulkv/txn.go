package consulkv

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/hashicorp/consul/api"
)

const (
	// maxTxn is what a server takes as a transaction if it was told nothing else. Values are in it in base 64.
	maxTxn = 512 << 10
	// txnBeside is what a transaction has beside a value and its path, at most.
	txnBeside = 2 << 10
)

// refusal is a transaction that did not happen, in the words of the server.
type refusal struct{ where, what string }

// Error is part of error.
func (r *refusal) Error() string { return r.where + ": " + r.what }

// fitsTxn reports whether a value can go in a transaction.
func fitsTxn(path string, value []byte) bool {
	return base64.StdEncoding.EncodedLen(len(value))+6*4*len(path)+txnBeside <= maxTxn
}

// transact runs a transaction and returns the index of what its last operation wrote, and the pair without its value. It
// returns a *refusal if a condition did not hold.
func (s *store) transact(ctx context.Context, ops api.KVTxnOps) (*api.KVPair, error) {
	request := make(api.TxnOps, len(ops))
	for i, op := range ops {
		request[i] = &api.TxnOp{KV: op}
	}
	var resp api.TxnResponse
	_, err := s.api.Raw().Write("/v1/txn", request, &resp, write(ctx))
	if said, ok := saidOf(err); ok && said.Code == http.StatusConflict {
		if json.Unmarshal([]byte(said.Body), &resp) != nil || len(resp.Errors) == 0 {
			return nil, err
		}
		return nil, &refusal{where: s.Where, what: resp.Errors[0].What}
	}
	if err != nil {
		return nil, err
	}
	var last *api.KVPair
	for _, r := range resp.Results {
		if r != nil && r.KV != nil {
			last = r.KV
		}
	}
	return last, nil
}

// refused reports whether the error is a refusal that a later look at the key can explain; those of access control, and
// others that do not pass, are for the caller.
func refused(err error) bool {
	var r *refusal
	return errors.As(err, &r) && !strings.Contains(r.what, "ermission denied")
}
