// Package kvtest holds a [kv.Client] to the written contract of package kv, sentence by sentence.
//
// [Run] runs every check against a store of its own, opened by [Suite].New. What a check waits for, it is told: by a
// callback, or by the end of a goroutine, within a deadline near the promise. That something never happens it shows by a
// later write that arrives without it. So the suite runs as well in a bubble of testing/synctest as on the real clock.
//
// A store says by Capabilities what it can; the checks hold it to what it says, and to ErrUnsupported for the rest. Hooks
// into its life are optional: a sentence whose hook is missing is not in the run, and the log names it. [RunEventual] is
// the form for a cluster: written through one client, observed through another.
//
// The suite is tested by broken clients, each of which fails by the sentence it breaks, and every sentence is broken by
// some. The sentences and the checks that prove them:
//
//	ListSorted             List returns the live keys, sorted by their bytes.
//	ListPrefix             List returns only keys with the prefix; a prefix is bytes, not a path.
//	ListLive               List does not return deleted keys.
//	GetAbsent              Get of an absent key is nil, nil.
//	GetContainerYours      The container that Get returns is the caller's.
//	CASContainerYours      The container that f of CAS is given, and the one it returns, are the caller's.
//	WatchContainerYours    The container that a watch is given is the caller's.
//	DeleteAbsent           Delete of an absent key is no error.
//	DeleteHides            After Delete neither Get nor List shows the key.
//	DeleteLastWriterWins   Delete is last-writer-wins: it removes what anybody wrote before, readable or not.
//	CASSeesCurrent         f sees the current value, nil if the key is absent, and CAS stores what f returns.
//	CASNilOut              A nil out leaves the key as it is: success, no event.
//	CASEqualOut            An out equal to the present value by its encoding, without a TTL, is success and nothing is written.
//	CASAfterDelete         CAS after Delete creates anew, without old content.
//	CASFuncError           If f fails, its error ends CAS, wrapped with %w, and nothing is written.
//	CASCallersGoroutine    f runs on the caller's goroutine.
//	CASPanic               A panic of f goes to the caller and leaves the store usable.
//	CASAttempts            A race lost CASAttempts = 10 times in all is ErrConflict.
//	CASBackoff             Between two tries there is a jittered back-off that doubles from 1 to 50 ms.
//	CASBackoffCtx          The back-off ends with ctx.
//	CASFuncRetry           If f fails and retry is true, it counts as a lost race.
//	CASFuncRetryLimit      At the limit the last error of f is returned.
//	CASNoChange            A merge that reports no change for a changed out is tried again after back-off, then it is ErrNoChange.
//	CASLostUpdate          On a lost race f runs again, with the value that won.
//	CASLostToDelete        A Delete in between is a lost race too.
//	CASConcurrent          Of N concurrent CAS on one node each success saw all earlier ones.
//	CASCreateIfAbsent      Create-if-absent is in == nil: of N concurrent ones exactly one creates.
//	WatchKeyInitial        WatchKey tells the present value first, if there is one.
//	WatchKeyNoInitial      WatchKey of an absent key tells nothing before the first write.
//	WatchKeyChanges        WatchKey tells the latest value after each change.
//	WatchKeyLast           WatchKey may skip values, the last never; it never goes back.
//	WatchKeyDelete         WatchKey tells nil after a delete, and goes on.
//	WatchKeyOnly           WatchKey tells of its key only.
//	WatchPrefixInitial     WatchPrefix tells the value of each key with the prefix first, in key order.
//	WatchPrefixChanges     WatchPrefix tells the latest value of a key after each change of it, new keys included.
//	WatchPrefixLast        WatchPrefix may skip values, the last of a key never; no key goes back.
//	WatchPrefixDelete      WatchPrefix does not tell deletes.
//	WatchPrefixOnly        WatchPrefix tells of keys with the prefix only; the empty prefix is every key.
//	WatchNotConcurrent     Calls of one watcher are never concurrent.
//	WatchCallersGoroutine  A watcher is called on the caller's goroutine.
//	WatchOutsideLocks      A watcher is called outside all locks.
//	WatchBlocked           A watcher that blocks delays only itself.
//	WatchPanic             A panic of a watcher goes to the caller and leaves the store usable.
//	WatchEndsFalse         A watch ends when f returns false, and f is not called again.
//	WatchEndsCtx           A watch ends when ctx ends, also while nothing happens.
//	WatchEndsClose         Every watch ends when the store closes.
//	EventsInitial          Events tells a Put for each live key with the prefix, then Synced.
//	EventsChanges          Events tells every change, deletes included, with the entry as Entry gives it.
//	EventsLast             Events coalesces to the latest and never loses a key or a delete.
//	EventsOnly             Events tells of keys with the prefix only.
//	EventsOrder            A store with OrderedWatch tells changes of different keys in the order in which they happened.
//	WatchKeySiblings       A watch of one key is told of nothing else, however many keys begin with it.
//	EventsOneKey           Events with OneKey tells of that key only, deletes included; of what is no key it is ErrBadKey.
//	NoValues               Events and Entries with NoValues tell the same without the values.
//	DecodeGet              A value that does not decode: Get returns ErrDecode, never a nil value without an error.
//	DecodeCAS              A value that does not decode: CAS returns ErrDecode and does not call f.
//	DecodeWatch            A value that does not decode: a watch tells nothing of it and goes on.
//	DecodeCounted          A watch counts a value that does not decode once per version.
//	DecodeLogged           A watch logs a value that does not decode once per version.
//	DecodeEvents           Events yields the error beside the key of a value that does not decode, and goes on.
//	DecodePanic            A codec that panics is the same as one that fails.
//	DecodeRaw              The raw bytes of a value that does not decode stay readable.
//	EncodeFails            A value that its codec does not encode is an error and writes nothing.
//	TypeOther              A key written with another kind is ErrType; it stays as it is, and Delete removes it.
//	TypeWatch              Entry and Events give the raw bytes of another kind with ErrType; the other watches tell nothing of it and go on.
//	TypeUnfit              A value that the codec does not take is an error and writes nothing.
//	LifeStartingReads      In Starting, Get, List and watches answer from what is here.
//	LifeStartingWrites     In Starting, writes wait as long as ctx allows, else ErrNotReady, which wraps ctx's cause too.
//	LifeStarted            Writes that waited in Starting are done once the store is Running.
//	LifeLeaving            After the flush of Leave writes succeed locally, are counted as unsent and logged once.
//	LifeAlone              A watcher on the writing node is woken even if nobody can be reached.
//	LifeClosed             After Close every operation is ErrClosed.
//	ErrorNames             Every error is a *kv.Error that names the operation and the key.
//	ErrorCtx               When ctx ends, the error wraps context.Cause(ctx), on every operation.
//	LostAnswer             A write whose answer is lost is done once: it succeeds later, or it is ErrUnknown.
//	LostAnswerRaced        A write whose answer is lost, and that another wrote over, is not done again; it is never ErrConflict, and CAS does not call f again.
//	LostAnswerDeleted      A key that was created, by a write whose answer is lost, and that another deleted, is not created again.
//	LostAnswerCtx          When ctx ends before it is known whether a write happened, it is ErrUnknown too.
//	LostWrite              A write that never arrived is no success: it is done later, or it is ErrUnknown.
//	KeysTaken              A key is 1 to 1024 bytes of UTF-8 without control characters; nothing else is asked.
//	KeysRefused            Anything else is ErrBadKey, on every operation; a watch of it ends at once.
//	ValueEmpty             A value that encodes to no bytes is a value, not its absence.
//	ValueLimit             A value may have Capabilities.MaxValue bytes, 16 MiB at most; more is ErrTooLarge and writes nothing.
//	CountsAttempts         Attempts count every try of a CAS.
//	CountsSuccesses        Successes count the tries that changed something: not a nil out, not an equal one.
//	CountsFailures         Failures count the CAS calls that failed, each once.
//	CountsWatchers         Watchers counts the watches that run, and falls on every way out.
//	IterValues             kv.Values ranges over what WatchKey tells, and break ends the watch.
//	IterChanges            kv.Changes ranges over what WatchPrefix tells, and break ends the watch.
//	IterBreak              Breaking out of Events or Entries ends it.
//	TypedGet               Typed.Get returns the value and whether there is one; a value of another Go type is ErrType.
//	TypedUpdate            Typed.Update is a CAS; kv.Keep leaves the key as it is.
//	TypedWatch             Typed.Watch ranges over the values, false when the key is gone.
//	EntryFields            Entry is the value, its key, version, codec, size and the time of its write; there is none of an absent key.
//	EntriesOrder           Entries yields the live entries with the prefix, in key order.
//	EntriesPaging          Entries begins after the key it is given.
//	PutOverwrites          Put stores the value over whatever is there and returns its version.
//	PutRaw                 Put stores a Raw as it is, also one that does not decode.
//	PutIfVersion           Put with IfVersion writes only over that version, else ErrConflict.
//	PutIfAbsent            Put with IfAbsent writes only if the key is absent, else ErrConflict.
//	RemoveAbsent           Remove of an absent key is no error, whatever version was asked for.
//	RemoveIfVersion        Remove with IfVersion removes only that version, else ErrConflict.
//	VersionOfWrite         A version is equal only for the same write.
//	VersionNeverReused     A version is never reused, also not for equal bytes or after a delete.
//	MediaKept              The media type of a Put comes back in Entry, Entries and Events; a CAS keeps it, and a Put without one takes it away.
//	MediaRefused           What is no media type is ErrUnsupported, and so is every one to a store without them; nothing is written.
//	TTLUnsupported         A store without TTL says ErrUnsupported to a write with one, and writes nothing.
//	TTLNeverEarly          A key never goes before its TTL.
//	TTLGoes                A key goes at most Capabilities.TTLSlack after its TTL, and no reader sees it then.
//	TTLOfContext           The TTL of kv.WithTTL holds for CAS and Put; the option TTL goes before it.
//	TTLRenewed             A write with a TTL begins it anew, also if its bytes are equal.
//	TTLWithout             A write without a TTL does not expire, whatever was there before.
//	TTLWatch               An expiry is told as a delete is: nil to WatchKey, Delete to Events, nothing to WatchPrefix.
//	Interfaces             A client has Capable, Counted, Versioned, Watcher and LastUpdateTime.
//	Require                kv.Require is nil for what the store can, else ErrNotLinearizable or ErrUnsupported.
//	LastUpdateTime         LastUpdateTime is when the value was written, zero if there is none.
//	AsThroughWrappers      kv.As finds the optional interfaces through wrappers.
//	PrefixMapsKeys         kv.Prefix maps the keys of everything that the client can do.
//	InstrumentTells        kv.Instrument tells of every call and changes none.
//	GoroutinesOfWatches    No goroutine is left of a watch that ended.
//	GoroutinesAfterClose   No goroutine is left of a store that was closed.
//	EventualPut            A write is seen on the other member: by Get, List and Entry, with the same version.
//	EventualDelete         A delete is seen on the other member, and what was deleted does not come back.
//	EventualWatch          A watch on the other member tells the last value of every key and no key going back.
//	EventualWatchDelete    A watch on the other member tells deletes: nil to WatchKey, Delete to Events, nothing to WatchPrefix.
//	EventualBack           What the observer writes over a value that it has seen is seen on the writer.
//	EventualBurst          A burst of writes and deletes of many keys arrives whole.
//	EventualLarge          A large value arrives whole.
//	EventualTTL            A value with a TTL goes on the other member too, and not before its time.
//	EventualDecode         A value that does not decode is ErrDecode on the other member too, and goes on to be replaced.
//	EventualConcurrent     After concurrent writes on both members, both show the same value and version.
//	EventualLinearizable   Of N concurrent CAS in the cluster of a linearizable store each success saw all earlier ones.
package kvtest
