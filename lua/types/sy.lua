---@meta
-- Generated from lua/types/api.lua: what C offers to trusted Lua.

---@class sy.Error
---@field code string
---@field message string
---@field where { file: string?, line: integer?, task: string? }
---@field hint string?

---@class sy.Regex
---@class sy.Checker

---JSON text and Lua values.
---@class sy.json
---@field null lightuserdata what null is in Lua
local sy_json = {}

--- Keys come out sorted.
---@param value any
---@param options? { pretty: boolean?, lossy: boolean? }
---@return string
function sy_json.encode(value, options) end

--- Value, or nil, message, code.
---@param text string
---@return any
---@return string?
---@return string?
function sy_json.decode(text) end

--- Marks a table as an array, also when it is empty.
---@param list table
---@return table
function sy_json.array(list) end

--- Whether it crosses as an array.
---@param value any
---@return boolean
function sy_json.is_array(value) end

---TOML text.
---@class sy.toml
local sy_toml = {}

--- Value and the line of each key's path, or nil and an error.
---@param text string
---@return table?
---@return table<string, integer>|sy.Error
function sy_toml.decode(text) end

---Hashes and the alphabets they are written in.
---@class sy.hash
local sy_hash = {}

--- 64 hex digits, or 32 bytes.
---@param bytes string
---@param raw? boolean
---@return string
function sy_hash.sha256(bytes, raw) end

--- 64 hex digits, or 32 bytes.
---@param key string
---@param bytes string
---@param raw? boolean
---@return string
function sy_hash.hmac_sha256(key, bytes, raw) end

--- Two digits a byte.
---@param bytes string
---@return string
function sy_hash.hex(bytes) end

--- Bytes, or nil, message, code.
---@param text string
---@return string?
---@return string?
---@return string?
function sy_hash.unhex(text) end

--- RFC 4648, padded.
---@param bytes string
---@return string
function sy_hash.base64(bytes) end

--- Bytes, or nil, message, code.
---@param text string
---@return string?
---@return string?
---@return string?
function sy_hash.unbase64(text) end

--- In a time that does not depend on where they differ.
---@param a string
---@param b string
---@return boolean
function sy_hash.equal(a, b) end

---Clocks and ISO 8601.
---@class sy.time
local sy_time = {}

--- Milliseconds since 1970, UTC.
---@return integer
function sy_time.now_ms() end

--- Milliseconds, never stepping back.
---@return number
function sy_time.monotonic() end

--- 2026-11-22T13:00:00.000Z.
---@param ms integer
---@return string
function sy_time.iso(ms) end

--- Milliseconds, or nil, message, code.
---@param text string
---@return integer?
---@return string?
---@return string?
function sy_time.parse_iso(text) end

---UTF-8 and columns on a terminal.
---@class sy.text
local sy_text = {}

--- Whether it is UTF-8.
---@param s string
---@return boolean
function sy_text.valid(s) end

--- U+FFFD for what is not UTF-8.
---@param s string
---@return string
function sy_text.clean(s) end

--- Columns.
---@param s string
---@return integer
function sy_text.width(s) end

--- Cut to a width, with a mark.
---@param s string
---@param columns integer
---@param mark? string
---@return string
function sy_text.truncate(s, columns, mark) end

--- Filled with spaces.
---@param s string
---@param columns integer
---@param where? "left"|"right"|"center"
---@return string
function sy_text.pad(s, columns, where) end

---Perl-compatible regular expressions.
---@class sy.re
local sy_re = {}

--- Flags: i m s x u b.
---@param pattern string
---@param flags? string
---@return sy.Regex?
---@return string?
---@return string?
function sy_re.compile(pattern, flags) end

--- A pattern that matches the text.
---@param text string
---@return string
function sy_re.escape(text) end

---JSON Schema 2020-12, a subset.
---@class sy.schema
local sy_schema = {}

--- Or nil, message, code.
---@param schema table
---@return sy.Checker?
---@return string?
---@return string?
function sy_schema.compile(schema) end

--- Value with defaults, or nil, message, code, path.
---@param schema table|sy.Checker
---@param value any
---@return any
---@return string?
---@return string?
---@return string?
function sy_schema.check(schema, value) end

---Files. Failures are nil, message, code.
---@class sy.fs
local sy_fs = {}

--- The bytes of a file.
---@param path string
---@param options? { max: integer? }
---@return string?
---@return string?
---@return string?
function sy_fs.read(path, options) end

--- Replaces a file at once.
---@param path string
---@param bytes string
---@param options? { sync: boolean?, mode: integer? }
---@return boolean?
---@return string?
---@return string?
function sy_fs.write(path, bytes, options) end

--- Adds at the end.
---@param path string
---@param bytes string
---@return boolean?
---@return string?
---@return string?
function sy_fs.append(path, bytes) end

--- Copies a file.
---@param from string
---@param to string
---@return boolean?
---@return string?
---@return string?
function sy_fs.copy(from, to) end

--- Renames.
---@param from string
---@param to string
---@return boolean?
---@return string?
---@return string?
function sy_fs.move(from, to) end

--- Renames.
---@param from string
---@param to string
---@return boolean?
---@return string?
---@return string?
function sy_fs.rename(from, to) end

--- A file, a link or an empty folder.
---@param path string
---@return boolean?
---@return string?
---@return string?
function sy_fs.remove(path) end

--- A folder with all that is in it.
---@param path string
---@return boolean?
---@return string?
---@return string?
function sy_fs.rmtree(path) end

--- A folder, with its parents.
---@param path string
---@return boolean?
---@return string?
---@return string?
function sy_fs.mkdir(path) end

--- A folder, with its parents.
---@param path string
---@return boolean?
---@return string?
---@return string?
function sy_fs.mkdir_p(path) end

--- What is in a folder, sorted.
---@param path string
---@return { name: string, type: string }[]?
---@return string?
---@return string?
function sy_fs.list(path) end

--- Files that match.
---@param pattern string
---@param options? table
---@return table?
---@return string?
---@return string?
function sy_fs.glob(pattern, options) end

--- Files below a folder.
---@param path string
---@param options? table
---@return table?
---@return string?
---@return string?
function sy_fs.walk(path, options) end

--- Whether something is there.
---@param path string
---@return boolean
function sy_fs.exists(path) end

--- {type, size, mode, mtime_ms, uid, …}.
---@param path string
---@return table?
---@return string?
---@return string?
function sy_fs.stat(path) end

--- Of a link itself.
---@param path string
---@return table?
---@return string?
---@return string?
function sy_fs.lstat(path) end

--- What a link says.
---@param path string
---@return string?
---@return string?
---@return string?
function sy_fs.readlink(path) end

--- Makes a link.
---@param target string
---@param path string
---@return boolean?
---@return string?
---@return string?
function sy_fs.symlink(target, path) end

--- Changes permissions.
---@param path string
---@param mode integer
---@return boolean?
---@return string?
---@return string?
function sy_fs.chmod(path, mode) end

--- R, w, x.
---@param path string
---@param how string
---@return boolean
function sy_fs.access(path, how) end

--- Without links.
---@param path string
---@return string?
---@return string?
---@return string?
function sy_fs.realpath(path) end

--- A new empty file.
---@param dir? string
---@param prefix? string
---@return string?
---@return string?
---@return string?
function sy_fs.tempfile(dir, prefix) end

--- A new empty folder.
---@param dir? string
---@param prefix? string
---@return string?
---@return string?
---@return string?
function sy_fs.tempdir(dir, prefix) end

--- The current folder.
---@return string
function sy_fs.cwd() end

--- The folder part.
---@param path string
---@return string
function sy_fs.dirname(path) end

--- The last part.
---@param path string
---@return string
function sy_fs.basename(path) end

--- Parts with slashes.
---@param ... string
---@return string
function sy_fs.join(...) end

---Programs, by argument vector.
---@class sy.process
local sy_process = {}

--- Runs a program to its end.
---@param options table
---@return table?
---@return string?
---@return string?
function sy_process.run(options) end

--- Where a program lies.
---@param name string
---@return string?
---@return string?
---@return string?
function sy_process.which(name) end

--- Of this process.
---@return integer
function sy_process.pid() end

--- A program that goes on without us.
---@param options table
---@return integer?
---@return string?
---@return string?
function sy_process.spawn_detached(options) end

---Code that is not trusted.
---@class sy.isolate
local sy_isolate = {}

--- Runs one chunk and gives its value.
---@param options table
---@return any
---@return sy.Error?
---@return string?
function sy_isolate.evaluate(options) end

--- An isolate with operations to call.
---@param options table
---@return table?
---@return sy.Error?
---@return string?
function sy_isolate.new(options) end

---The machine and its user.
---@class sy.system
---@field version string of this program
---@field lua_release string of Lua
local sy_system = {}

--- Who runs this.
---@return { uid: integer, name: string?, home: string? }
function sy_system.user() end

--- Bytes of its file system.
---@param path string
---@return { free: integer, total: integer }?
---@return string?
---@return string?
function sy_system.disk(path) end

--- What the kernel offers.
---@return { release: string, openat2: boolean, pidfd: boolean, close_range: boolean, landlock: integer, seccomp: boolean, userns: boolean, marks: boolean }
function sy_system.kernel() end

---Going on without a terminal.
---@class sy.detach
local sy_detach = {}

--- Before any host is opened: forks; the child reports one text.
---@return "parent"|"child"|nil
---@return any
---@return string?
function sy_detach.detach() end

---The process's streams and signals.
---@class sy.term
local sy_term = {}

--- Whether it is a terminal.
---@param fd integer
---@return boolean
function sy_term.isatty(fd) end

--- Columns and rows.
---@param fd? integer
---@return integer?
---@return integer?
function sy_term.size(fd) end

--- Unbuffered and whole.
---@param fd integer
---@param ... string
---@return boolean?
---@return string?
---@return string?
function sy_term.write(fd, ...) end

--- Without its end of line.
---@param fd? integer
---@return string?
---@return string?
function sy_term.read_line(fd) end

--- A line that a terminal does not show.
---@param prompt string
---@param fd? integer
---@return string?
---@return string?
function sy_term.read_secret(prompt, fd) end

--- INT or TERM; the first call starts catching.
---@return string?
function sy_term.take_signal() end

---Files packed into one: a tar archive under zstd.
---@class sy.pack
local sy_pack = {}

--- A new file, or stdout.
---@param path? string
---@return sy.PackWriter?
---@return string?
---@return string?
function sy_pack.create(path) end

--- A file that is not trusted.
---@param path string
---@param limits { entries: integer, entry_bytes: integer, total_bytes: integer }
---@return sy.PackReader?
---@return string?
---@return string?
function sy_pack.open(path, limits) end

---A packed file that is written: the same bytes for the same entries.
---@class sy.PackWriter
local sy_PackWriter = {}

--- An entry.
---@param name string
---@param bytes string
---@return boolean?
---@return string?
---@return string?
function sy_PackWriter:add(name, bytes) end

--- An entry with an artifact's content.
---@param host sy.Host
---@param name string
---@param hash string
---@return boolean?
---@return string?
---@return string?
function sy_PackWriter:add_artifact(host, name, hash) end

--- Ends the file.
---@return boolean?
---@return string?
---@return string?
function sy_PackWriter:close() end

---A packed file that is read, entry after entry.
---@class sy.PackReader
local sy_PackReader = {}

--- Name and size; false at the end.
---@return string|false|nil
---@return integer|string?
---@return string?
function sy_PackReader:next() end

--- The entry's bytes.
---@return string?
---@return string?
---@return string?
function sy_PackReader:read() end

--- Their hash, in little memory.
---@return string?
---@return string?
---@return string?
function sy_PackReader:digest() end

--- Keeps them as an artifact; its hash.
---@param host sy.Host
---@return string?
---@return string?
---@return string?
function sy_PackReader:store(host) end

--- Closes the file.
function sy_PackReader:close() end

---Keys and signatures in the format of minisign.
---@class sy.sign
local sy_sign = {}

--- The texts of a public and a secret key.
---@param password? string
---@return string?
---@return string?
---@return string?
function sy_sign.keypair(password) end

--- Whether the key needs a password.
---@param secret string
---@return boolean?
---@return string?
---@return string?
function sy_sign.encrypted(secret) end

--- The text of a signature.
---@param secret string
---@param password string?
---@param path string
---@param comment string
---@return string?
---@return string?
---@return string?
function sy_sign.sign(secret, password, path, comment) end

--- The comment that was signed with the file.
---@param public string
---@param signature string
---@param path string
---@return string?
---@return string?
---@return string?
function sy_sign.verify(public, signature, path) end

--- Of a public key, or of a signature's key.
---@param text string
---@return string?
---@return string?
---@return string?
function sy_sign.id(text) end

---The person's secrets, by name: no value is ever in Lua.
---@class sy.secret
local sy_secret = {}

--- A value, which Lua cannot see.
---@param from table
---@return userdata?
---@return sy.Error?
---@return string?
function sy_secret.read(from) end

--- Keeps it in a file or in the keyring.
---@param dir string
---@param value userdata
---@param place string
---@return boolean?
---@return sy.Error?
---@return string?
function sy_secret.keep(dir, value, place) end

--- Where it is kept, since when.
---@param dir string
---@param name string
---@return table?
---@return sy.Error?
---@return string?
function sy_secret.info(dir, name) end

--- Forgets it.
---@param dir string
---@param name string
---@return boolean?
---@return sy.Error?
---@return string?
function sy_secret.remove(dir, name) end

--- Whether the desktop's keyring takes values.
---@return boolean?
---@return sy.Error?
---@return string?
function sy_secret.keyring() end

--- Whether a secret may have this name.
---@param name string
---@return boolean
function sy_secret.valid(name) end

---Files that change.
---@class sy.watch
local sy_watch = {}

--- Watches what is below a folder.
---@param dir string
---@return sy.Watch?
---@return string?
---@return string?
function sy_watch.open(dir) end

---A folder that is watched.
---@class sy.Watch
local sy_Watch = {}

--- The paths that changed; a signal ends the wait.
---@param timeout_ms integer
---@return string[]?
---@return string?
---@return string?
function sy_Watch:wait(timeout_ms) end

--- Ends it.
function sy_Watch:close() end

---One process at a time.
---@class sy.lock
local sy_lock = {}

--- The lock of a file.
---@param path string
---@param wait_ms? integer
---@return sy.Lock?
---@return string?
---@return string?
function sy_lock.take(path, wait_ms) end

---A lock that is held.
---@class sy.Lock
local sy_Lock = {}

--- Lets others have it.
function sy_Lock:release() end

---The engine.
---@class sy.core
local sy_core = {}

--- Opens a project.
---@param options table
---@return sy.Host?
---@return sy.Error?
---@return string?
function sy_core.open(options) end

--- Files of the program.
---@param prefix string
---@return { path: string, data: string }[]
function sy_core.embedded(prefix) end

--- Every error there is.
---@return { code: string, number: integer, exit: integer, sentence: string }[]
function sy_core.errors() end

--- The person's projects.
---@param user_dir string
---@return table[]?
---@return sy.Error?
---@return string?
function sy_core.projects(user_dir) end

---One opened project.
---@class sy.Host
local sy_Host = {}

--- Parks what runs and commits.
function sy_Host:close() end

--- Delivers what is due.
---@param timeout_ms? integer
---@return integer
function sy_Host:step(timeout_ms) end

--- Follows events.
---@param pattern string
---@param fn fun(event: table)
---@param since? integer
---@return integer?
---@return sy.Error?
---@return string?
function sy_Host:on_event(pattern, fn, since) end

--- Stops following.
---@param id integer
---@return boolean
function sy_Host:off_event(id) end

--- A UUIDv7.
---@return string
function sy_Host:new_id() end

--- ISO 8601.
---@return string
function sy_Host:now() end

--- Of this opening: session.id.
---@return string
function sy_Host:id() end

--- Whether that opening lives.
---@param session string
---@return boolean
function sy_Host:alive(session) end

--- Adds or replaces an extension.
---@param description table
---@return boolean?
---@return sy.Error?
---@return string?
function sy_Host:register(description) end

--- Takes an extension away.
---@param name string
function sy_Host:unregister(name) end

--- The person and the project.
---@param who table
---@return string?
---@return sy.Error?
---@return string?
function sy_Host:identity(who) end

--- A task of the host itself: {type, operation, payload}.
---@param about table
---@return string?
---@return sy.Error?
---@return string?
function sy_Host:begin_task(about) end

--- A decision of the Pit in the task that has begun.
---@param member string
---@param context string
---@param resources string?
---@return boolean
function sy_Host:decide(member, context, resources) end

--- An event of the task that has begun: {extension, type, topic, payload}.
---@param event table
---@return boolean
function sy_Host:tell_task(event) end

--- Ends it: {output} or {code, message}.
---@param result table
---@return boolean
function sy_Host:end_task(result) end

--- Rows.
---@param sql string
---@param params? table
---@return table[]?
---@return sy.Error?
---@return string?
function sy_Host:query(sql, params) end

--- One change, committed.
---@param sql string
---@param params? table
---@return boolean?
---@return sy.Error?
---@return string?
function sy_Host:write(sql, params) end

--- Several changes, committed together.
---@param steps table[]
---@return boolean?
---@return sy.Error?
---@return string?
function sy_Host:transaction(steps) end

--- Verified bytes.
---@param hash string
---@return string?
---@return sy.Error?
---@return string?
function sy_Host:artifact_get(hash) end

--- Stores bytes, durably.
---@param bytes string
---@return table?
---@return sy.Error?
---@return string?
function sy_Host:artifact_put(bytes) end

--- Reads and compares.
---@param hash string
---@return boolean?
---@return sy.Error?
---@return string?
function sy_Host:artifact_verify(hash) end

--- Archives and deletes.
---@param policy table
---@return table?
---@return sy.Error?
---@return string?
function sy_Host:collect(policy) end

--- Removes runs that have ended, with all that is theirs: {runs, tasks, events, artifacts, …, left}.
---@param runs string[]
---@param budget_ms? integer
---@return table?
---@return sy.Error?
---@return string?
function sy_Host:remove_runs(runs, budget_ms) end

--- Removes older rows that nothing needs: {sessions, host_tasks, controls, …}.
---@param before string
---@param budget_ms? integer
---@return table?
---@return sy.Error?
---@return string?
function sy_Host:tidy(before, budget_ms) end

--- Free pages to the file system; how many bytes.
---@param budget_ms? integer
---@return integer?
---@return sy.Error?
---@return string?
function sy_Host:give_back(budget_ms) end

--- Writes the database anew.
---@return boolean?
---@return sy.Error?
---@return string?
function sy_Host:compact() end

--- Keeps, or no longer.
---@param artifact string
---@param on boolean
---@return boolean?
---@return sy.Error?
---@return string?
function sy_Host:pin(artifact, on) end

--- Starts a run.
---@param request table
---@return table?
---@return sy.Error?
---@return string?
function sy_Host:start(request) end

--- Takes over and goes on.
---@param request table
---@return table?
---@return sy.Error?
---@return string?
function sy_Host:resume(request) end

--- Of a run that lives here.
---@param run string
---@return boolean?
---@return sy.Error?
---@return string?
function sy_Host:cancel(run) end

--- Of a run that lives here.
---@param run string
---@return boolean?
---@return sy.Error?
---@return string?
function sy_Host:pause(run) end

--- A decision for a waiting task of a run that lives here: answer, retry, skip.
---@param run string
---@param what string
---@param task string
---@param value any
---@return boolean?
---@return sy.Error?
---@return string?
function sy_Host:tell(run, what, task, value) end

--- {status, exit, error}.
---@param run string
---@return table?
function sy_Host:run_state(run) end

--- Plays outputs instead of calling operations, and records calls; nil: neither.
---@param options { entries: table[]?, strict: boolean?, record: boolean? }?
---@return boolean?
---@return sy.Error?
---@return string?
function sy_Host:tape(options) end

--- What was called since the tape was set.
---@return table[]
function sy_Host:recorded() end

--- The clock of a host opened with `skips` jumps ahead.
---@param ms integer
---@return boolean
function sy_Host:advance(ms) end

--- Runs that have not ended.
---@return integer
function sy_Host:running() end

--- What a task streams, from an offset on; nil: nothing there now.
---@param run string
---@param task string
---@param kind "tokens"|"progress"|"log"
---@param offset? integer
---@param max_bytes? integer
---@return { offset: integer, next: integer, attempt: integer, epoch: integer, data: string }?
---@return sy.Error?
---@return string?
function sy_Host:stream(run, task, kind, offset, max_bytes) end
