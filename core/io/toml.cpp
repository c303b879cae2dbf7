/*
 * toml.cpp: toml++ behind one C function.
 *
 * toml++ is asked not to throw; what its containers may still throw (bad_alloc) ends here. It takes apart
 * tables inside tables by calling itself, so a key of very many dots is refused before it sees the text.
 */
#include "io/toml.h"

#define TOML_HEADER_ONLY 1
#define TOML_MAX_NESTED_VALUES 32
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 1
#include <toml++/toml.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>

namespace {

/* Path of a key to its line. Of two keys with one path (a."b.c", a.b.c) the first counts. */
using line_map = std::map<std::string, int64_t>;

bool put(const toml::node &node, sy__vbuf *value, line_map *lines, std::string &path);

bool put_table(const toml::table &table, sy__vbuf *value, line_map *lines, std::string &path)
{
    size_t length = path.size();
    sy__vbuf_map(value);
    for (auto &&[key, node] : table) {
        if (length) path += '.';
        path += key.str();
        sy__vbuf_key(value, key.str().data(), key.str().size());
        if (lines) lines->emplace(path, key.source().begin.line);
        if (!put(node, value, lines, path)) return false;
        path.resize(length);
    }
    sy__vbuf_end(value);
    return true;
}

bool put_array(const toml::array &array, sy__vbuf *value, line_map *lines, std::string &path)
{
    size_t length = path.size(), index = 0;
    sy__vbuf_array(value);
    for (auto &&node : array) {
        path += '[' + std::to_string(++index) + ']';
        if (lines) lines->emplace(path, node.source().begin.line);
        if (!put(node, value, lines, path)) return false;
        path.resize(length);
    }
    sy__vbuf_end(value);
    return true;
}

template <typename T> void put_stamp(const T &stamp, sy__vbuf *value)
{
    std::ostringstream text;
    text << stamp;
    std::string s = text.str();
    sy__vbuf_str(value, s.data(), s.size());
}

bool put(const toml::node &node, sy__vbuf *value, line_map *lines, std::string &path)
{
    switch (node.type()) {
    case toml::node_type::table: return put_table(*node.as_table(), value, lines, path);
    case toml::node_type::array: return put_array(*node.as_array(), value, lines, path);
    case toml::node_type::string: sy__vbuf_str(value, (**node.as_string()).data(), (**node.as_string()).size()); break;
    case toml::node_type::integer: sy__vbuf_int(value, **node.as_integer()); break;
    case toml::node_type::floating_point: sy__vbuf_num(value, **node.as_floating_point()); break;
    case toml::node_type::boolean: sy__vbuf_bool(value, **node.as_boolean()); break;
    case toml::node_type::date: put_stamp(**node.as_date(), value); break;
    case toml::node_type::time: put_stamp(**node.as_time(), value); break;
    case toml::node_type::date_time: put_stamp(**node.as_date_time(), value); break;
    default: sy__vbuf_null(value); break;
    }
    return !value->error;
}

/* Behind the string that starts at `i`, one of the four kinds. */
size_t skip_string(std::string_view text, size_t i)
{
    char quote = text[i];
    size_t marks = text.substr(i, 3) == std::string(3, quote) ? 3 : 1;
    std::string end(marks, quote);
    for (i += marks; i < text.size() && text.substr(i, marks) != end; i++)
        if (text[i] == '\\' && quote == '"') i++;
    return std::min(i + marks, text.size());
}

bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* The line of the first chain of more than SY__TOML_MAX_DOTS names joined by dots, or 0. */
int line_of_long_key(std::string_view text)
{
    int dots = 0;
    bool joined = false; /* the last token was a dot */
    for (size_t i = 0; i < text.size();) {
        char c = text[i];
        if (c == ' ' || c == '\t') {
            i++;
        } else if (c == '#') {
            i = std::min(text.find('\n', i), text.size());
        } else if (c == '"' || c == '\'' || is_word(c)) {
            if (!joined) dots = 0;
            joined = false;
            if (is_word(c))
                while (i < text.size() && is_word(text[i])) i++;
            else
                i = skip_string(text, i);
        } else if (c == '.') {
            i++;
            joined = true;
            if (++dots > SY__TOML_MAX_DOTS) return 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<long>(i), '\n'));
        } else {
            i++;
            dots = 0;
            joined = false;
        }
    }
    return 0;
}

void put_lines(const line_map &found, sy__vbuf *lines)
{
    sy__vbuf_map(lines);
    for (const auto &[path, line] : found) {
        sy__vbuf_key(lines, path.data(), path.size());
        sy__vbuf_int(lines, line);
    }
    sy__vbuf_end(lines);
}

int parse(std::string_view text, sy__vbuf *value, sy__vbuf *lines, sy__error *err)
{
    toml::parse_result result = toml::parse(text);
    if (!result) {
        const toml::parse_error &why = result.error();
        std::string what(why.description());
        int line = static_cast<int>(why.source().begin.line), column = static_cast<int>(why.source().begin.column);
        int code = sy__error_set(err, SY_EMANIFEST, "line %d, column %d: %s", line, column, what.c_str());
        sy__error_where(err, nullptr, line, nullptr);
        return code;
    }
    std::string path;
    line_map found;
    if (put_table(result.table(), value, lines ? &found : nullptr, path) && lines) put_lines(found, lines);
    int status = value->error ? value->error : lines ? lines->error : SY_OK;
    if (status == SY_OK) return SY_OK;
    if (status == SY_ENOMEM) return sy__error_set(err, SY_ENOMEM, "no memory for a TOML document");
    return sy__error_set(err, SY_EMANIFEST, "the TOML document is nested too deeply");
}

} // namespace

int sy__toml_parse(const char *text, size_t len, sy__vbuf *value, sy__vbuf *lines, sy__error *err)
{
    if (len > SY__TOML_MAX_BYTES) return sy__error_set(err, SY_EMANIFEST, "a TOML document of more than 1 MiB");
    if (int line = line_of_long_key(std::string_view(text, len))) {
        int code = sy__error_set(err, SY_EMANIFEST, "line %d: a key of more than %d names", line, SY__TOML_MAX_DOTS);
        sy__error_where(err, nullptr, line, nullptr);
        return code;
    }
    try {
        return parse(std::string_view(text, len), value, lines, err);
    } catch (const std::exception &) {
        return sy__error_set(err, SY_ENOMEM, "no memory for a TOML document");
    }
}
