local marks = require "marks"

-- Built from parts, so that no scanner takes this file for a leak.
local AWS = "AKIA" .. "QYLPMN5HFIQR7BGC"
local GITHUB = "ghp_" .. "9aB3dE5fG7hI1jK2lM4nO6pQ8rS0tU3vW5xY"
local RANDOM = "q8Zr" .. "3TnV0yLw7KsB2xHd"

local function kind_of(line, ending)
  local _, kind, text = marks.line(line, ending or "c")
  return kind, text
end

describe("marks", function ()
  it("are words in capitals, with what they say", function ()
    assert.same({"todo", "TODO handle EINTR"}, {kind_of "  /* TODO(ann): handle EINTR */"})
    assert.same({"todo", "FIXME"}, {kind_of "// FIXME"})
    assert.same({"todo", "TODO x"}, {kind_of("<!-- TODO - x -->", "md")})
  end)

  it("are not found inside other words or quoted", function ()
    for _, line in ipairs {"int TODOS;", "todo list", "x = \"TODO\"", "MASTODON_TODO_LIST"} do assert.is_nil(
      (kind_of(line))) end
  end)

  it("find tokens by the shapes their issuers gave them", function ()
    local cases = {
      ["AWS key"] = AWS, ["GitHub token"] = GITHUB, ["Slack token"] = "xoxb-" .. "204816327945-Xy7Lq2Rt9Wv4",
      ["Stripe key"] = "sk_" .. "live_4eC39HqLyjWDrjtT1zdp7dc9", ["Google API key"] = "AIza"
        .. "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q",
      ["private key"] = "-----BEGIN RSA " .. "PRIVATE KEY-----",
      ["GitLab token"] = "glpat" .. "-Zx9yW8vU7tS6rQ5pO4nM",
    }
    for what, token in pairs(cases) do
      assert.same({"secret", "likely secret: " .. what}, {kind_of("k = \"" .. token .. "\"")})
    end
  end)

  it("find random values under names that say secret", function ()
    for _, line in ipairs {
      "API_KEY = \"" .. RANDOM .. "\"", "password: '" .. RANDOM .. "'", "{\"client_secret\": \"" .. RANDOM .. "\"}",
      "AUTH_TOKEN=" .. RANDOM, "export DB_PASSWORD=" .. RANDOM,
    } do assert.equal("secret", (kind_of(line))) end
    assert.equal("secret", (kind_of("postgres://bob:" .. "hunt3rZ9x" .. "@db.local/x")))
  end)

  it("leave examples, references, hashes and ordinary text alone", function ()
    for _, line in ipairs {
      "key = \"AKIA" .. "IOSFODNN7EXAMPLE\"", "password = \"changeme\"", "password = os.getenv(\"DB_PASSWORD\")",
      "token = \"your-api-token-goes-here-1\"", "api_key = \"${API_KEY_FROM_ENV_1}\"",
        "secret = \"aaaaaaaaaaaaaaaaaaaaaaa1\"",
      "commit = \"" .. "3f786850e387550fdab836ed7e6dc881de23001b" .. "\"", "password_field = \"user_password_label\"",
      "url = \"https://user:password@example.com\"", "if (token == NULL) return;",
        "token_url = \"https://accounts.io/o/oauth2/v1\"",
    } do assert.is_nil((kind_of(line)), line) end
  end)

  it("never show a secret", function ()
    local list = {}
    marks.scan("f", ("a = '%s'; b = '%s' // TODO rotate\n"):format(AWS, GITHUB), nil, list, 10)
    assert.equal(1, #list)
    for _, text in pairs(list[1]) do
      assert.falsy(tostring(text):find(AWS, 1, true))
      assert.falsy(tostring(text):find(GITHUB, 1, true))
    end
    assert.equal("a = '•••'; b = '•••' // TODO rotate", list[1].excerpt)
  end)

  it("find debug leftovers of the file's own language only, and not in comments", function ()
    assert.equal("debug", (kind_of("  console.log(x)", "js")))
    assert.equal("debug", (kind_of("breakpoint()", "py")))
    assert.equal("debug", (kind_of("it.only('x', f)", "ts")))
    assert.is_nil((kind_of("console.log(x)", "md")))
    assert.is_nil((kind_of("// console.log(x)", "js")))
  end)

  it("find conflict markers", function ()
    assert.equal("conflict", (kind_of("<<<<<<< HEAD")))
    assert.is_nil((kind_of("=======")))
  end)

  it("look at the given lines only", function ()
    local list = {}
    marks.scan("f", "TODO a\nTODO b\nTODO c\nTODO d", {{2, 2}, {4, 9}}, list, 10)
    assert.same({2, 4}, {list[1].line, list[2].line})
    assert.equal(2, #list)
  end)

  it("stop at the limit and say so", function ()
    local list = {}
    assert.is_false(marks.scan("f", "TODO a\nTODO b\n", nil, list, 1))
    assert.equal(1, #list)
  end)

  it("are summed up gravest first", function ()
    assert.equal("nothing found", (marks.summary {}))
    assert.equal("2 likely secrets, 1 debug leftover, 3 TODO", (marks.summary {
      {kind = "todo"}, {kind = "secret"}, {kind = "todo"}, {kind = "debug"}, {kind = "secret"}, {kind = "todo"},
    }))
  end)
end)
