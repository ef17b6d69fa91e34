package web

import (
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/starlingkv/starling/kv"
)

const keyPath = "/v1/kv/"

// serveKey serves the routes of one key, which stands percent-encoded behind keyPath.
func (h *Handler) serveKey(w http.ResponseWriter, r *http.Request, escaped string) error {
	key, err := keyOf(escaped)
	if err != nil {
		return err
	}
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete}
	query := r.URL.Query()
	if query.Has("add") || query.Has("observe") {
		methods = append(methods, http.MethodPost)
	}
	err = allow(w, r, methods...)
	if err == nil {
		err = h.requireOf(key, r)
	}
	if err != nil {
		return about(key, err)
	}
	w.Header().Set("Starling-Consistency", h.consistencyOf(key))
	serve := map[string]func(http.ResponseWriter, *http.Request, string) error{
		http.MethodPut: h.put, http.MethodDelete: h.delete, http.MethodGet: h.get, http.MethodHead: h.get,
		http.MethodPost: h.post,
	}
	if query.Has("field") {
		serve = map[string]func(http.ResponseWriter, *http.Request, string) error{
			http.MethodPut: h.putField, http.MethodDelete: h.deleteField, http.MethodGet: h.getField, http.MethodHead: h.getField,
			http.MethodPost: h.post, // which knows no field
		}
	}
	return about(key, serve[r.Method](w, r, key))
}

// about names the key in the problem of err.
func about(key string, err error) error {
	if err == nil {
		return nil
	}
	p := problemOf(err)
	p.Key = key
	return p
}

// keyOf decodes a key. A path that a router between here and the client might clean is refused: it could have arrived as
// another key, and silently.
func keyOf(escaped string) (string, error) {
	key, err := url.PathUnescape(escaped)
	if err != nil {
		return "", newProblem(badKey, "the path is not percent-encoded: "+err.Error())
	}
	if cleaned := keyPath + escaped; cleaned != cleanPath(cleaned) {
		p := newProblem(badKey, "a router would clean this path into another key; percent-encode the key")
		p.Key, p.EncodedPath = key, keyPath+EscapeKey(key)
		return "", p
	}
	if err := kv.CheckKey(key); err != nil {
		return "", err
	}
	return key, nil
}

// cleanPath does what http.ServeMux does to a path.
func cleanPath(p string) string {
	cleaned := path.Clean(p)
	if strings.HasSuffix(p, "/") && cleaned != "/" {
		cleaned += "/"
	}
	return cleaned
}

// EscapeKey percent-encodes a key into one segment of a path, which no router changes: "." and ".." too, which are
// written %2E and %2E%2E.
func EscapeKey(key string) string {
	if key == "." || key == ".." {
		return strings.ReplaceAll(key, ".", "%2E")
	}
	return url.PathEscape(key)
}
