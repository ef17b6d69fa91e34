package stores

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// address is a store's URL in its parts. It is not parsed by net/url, which takes no list of hosts.
type address struct {
	scheme         string
	user, password string
	hosts          []string // as host:port; none for a store in the process
	prefix         string
	query          url.Values
	read           []string // the names of the query that somebody asked for
}

func parse(raw string) (*address, error) {
	a := &address{}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || scheme == "" {
		return nil, errors.New("a store is named by a URL, as etcd://127.0.0.1:2379/app/")
	}
	a.scheme = strings.ToLower(scheme)
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		if strings.ContainsFunc(authority[:at], unicode.IsSpace) {
			return nil, errors.New("the user and the password of a store are percent-encoded")
		}
		user, password, _ := strings.Cut(authority[:at], ":")
		var errUser, errPassword error
		a.user, errUser = url.PathUnescape(user)
		a.password, errPassword = url.PathUnescape(password)
		if errUser != nil || errPassword != nil {
			return nil, errors.New("the user and the password of a store are percent-encoded") // and shown to nobody
		}
		authority = authority[at+1:]
	}
	if authority != "" {
		a.hosts = strings.Split(authority, ",")
	}
	var err, errQuery error
	a.prefix, err = url.PathUnescape(path)
	a.query, errQuery = url.ParseQuery(query)
	if strings.Contains(raw, "#") {
		err = errors.Join(err, errors.New("a # in it is written %23"))
	}
	if err := errors.Join(err, errQuery); err != nil {
		return nil, fmt.Errorf("store %q: %w", a, err)
	}
	return a, nil
}

// String names the store without its password, which does not belong into messages.
func (a *address) String() string {
	s := a.scheme + "://"
	if a.user != "" && a.scheme != "consul" { // where it is a token that has lost its colon
		s += url.PathEscape(a.user) + "@"
	}
	return s + strings.Join(a.hosts, ",") + "/" + a.prefix
}

// text returns a value of the query, "" if it is not there.
func (a *address) text(name string) string {
	a.read = append(a.read, name)
	return a.query.Get(name)
}

// number returns a number of the query, otherwise if it is not there.
func (a *address) number(name string, otherwise int) (int, error) {
	text := a.text(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%s=%s: want a number", name, text)
	}
	return n, nil
}

// duration returns a time span of the query, otherwise if it is not there.
func (a *address) duration(name string, otherwise time.Duration) (time.Duration, error) {
	text := a.text(name)
	if text == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%s=%s: want a time, as 2s", name, text)
	}
	return d, nil
}

// yes returns a choice of the query, no if it is not there.
func (a *address) yes(name string) (bool, error) {
	text := a.text(name)
	if text == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("%s=%s: want true or false", name, text)
	}
	return b, nil
}

// unread is an error if the query has a name that nobody asked for, or one twice.
func (a *address) unread() error {
	var errs []error
	for name, values := range a.query {
		switch {
		case !slices.Contains(a.read, name):
			errs = append(errs, fmt.Errorf("%s says nothing to %s: it knows %s", name, a.scheme, strings.Join(a.read, ", ")))
		case len(values) > 1:
			errs = append(errs, fmt.Errorf("%s stands there %d times", name, len(values)))
		}
	}
	return errors.Join(errs...)
}
