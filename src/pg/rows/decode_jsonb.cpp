#include "pg/rows/decode_jsonb.h"

extern "C" {
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
}

// All of this is plain data in memory contexts: an ereport may leave it from anywhere.
namespace tablesync::pg {
namespace {

constexpr int most_nodes = 256;
constexpr int most_levels = 16;
constexpr int most_bytes = 16384;

// A value or a key of a document. Those of a container follow it: keys and values in turn.
struct Node {
  JEntry type;        // JENTRY_IS...
  uint32 container;   // of a container: JB_FARRAY or JB_FOBJECT, with the number of its members
  int size;           // of its text, or of the number
  int next;           // the node after it and its members
  const char *bytes;  // null for a container
};

struct Document {
  const char *at;
  const char *end;
  Node nodes[most_nodes];
  int count;
  Size room;  // the maximum size of its parts
};

void skip_space(Document &document) {
  while (document.at < document.end &&
         (*document.at == ' ' || *document.at == '\n' || *document.at == '\t' || *document.at == '\r'))
    ++document.at;
}

bool take(Document &document, char wanted) {
  skip_space(document);
  if (document.at == document.end || *document.at != wanted) return false;
  ++document.at;
  return true;
}

bool take_word(Document &document, const char *word) {
  const auto length = static_cast<std::ptrdiff_t>(strlen(word));
  if (document.end - document.at < length || memcmp(document.at, word, static_cast<size_t>(length)) != 0)
    return false;
  document.at += length;
  return true;
}

Node *add(Document &document, JEntry type, const char *bytes, int size) {
  if (document.count == most_nodes) return nullptr;
  constexpr Size padding = 3;
  document.room += sizeof(JEntry) + padding + static_cast<Size>(size);
  Node *const node = &document.nodes[document.count++];
  *node = {type, 0, size, document.count, bytes};
  return node;
}

bool take_string(Document &document) {
  if (!take(document, '"')) return false;
  const char *const begin = document.at;
  while (document.at < document.end && *document.at != '"') {
    if (*document.at == '\\' || static_cast<unsigned char>(*document.at) < ' ') return false;
    ++document.at;
  }
  if (document.at == document.end) return false;
  const auto size = static_cast<int>(document.at++ - begin);
  return add(document, JENTRY_ISSTRING, begin, size) != nullptr;
}

bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

// RFC 8259, section 6, without exponents.
bool take_number(Document &document) {
  const char *const begin = document.at;
  const bool negative = *begin == '-';
  if (negative) ++document.at;
  const char *const digits = document.at;
  int64 whole = 0;
  constexpr int most_digits = 18;
  while (document.at < document.end && is_digit(*document.at)) {
    if (document.at - digits == most_digits) return false;
    whole = whole * 10 + (*document.at++ - '0');
  }
  if (document.at == digits || (*digits == '0' && document.at - digits > 1)) return false;
  Numeric number = nullptr;
  if (document.at < document.end && *document.at == '.') {
    const char *const fraction = ++document.at;
    while (document.at < document.end && is_digit(*document.at)) ++document.at;
    char text[64];
    const auto length = static_cast<size_t>(document.at - begin);
    if (document.at == fraction || length >= sizeof text) return false;
    memcpy(text, begin, length);
    text[length] = 0;
    number = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
                                                 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
  } else {
    number = int64_to_numeric(negative ? -whole : whole);
  }
  if (document.at < document.end && (*document.at == 'e' || *document.at == 'E')) return false;
  const auto *const bytes = reinterpret_cast<const char *>(number);
  return add(document, JENTRY_ISNUMERIC, bytes, static_cast<int>(VARSIZE_ANY(number))) != nullptr;
}

// How jsonb orders keys (lengthCompareJsonbString in jsonb_util.c).
bool is_before(const Node &left, const Node &right) {
  if (left.size != right.size) return left.size < right.size;
  return memcmp(left.bytes, right.bytes, static_cast<size_t>(left.size)) < 0;
}

bool take_value(Document &document, int level);

bool take_member(Document &document, bool of_object, const Node *&last_key, int level) {
  if (of_object) {
    if (!take_string(document)) return false;
    const Node *const key = &document.nodes[document.count - 1];
    if (last_key != nullptr && !is_before(*last_key, *key)) return false;
    last_key = key;
    if (!take(document, ':')) return false;
  }
  return take_value(document, level);
}

bool take_container(Document &document, int level) {
  const bool of_object = *document.at++ == '{';
  const char close = of_object ? '}' : ']';
  Node *const container = add(document, JENTRY_ISCONTAINER, nullptr, sizeof(uint32));
  if (container == nullptr || level == most_levels) return false;
  const Node *last_key = nullptr;
  uint32 members = 0;
  if (!take(document, close)) {
    do {
      if (!take_member(document, of_object, last_key, level + 1)) return false;
      ++members;
    } while (take(document, ','));
    if (!take(document, close)) return false;
  }
  container->container = members | (of_object ? JB_FOBJECT : JB_FARRAY);
  container->next = document.count;
  return true;
}

bool take_value(Document &document, int level) {
  skip_space(document);
  if (document.at == document.end) return false;
  switch (*document.at) {
    case '"':
      return take_string(document);
    case '{':
    case '[':
      return take_container(document, level);
    case 't':
      return take_word(document, "true") && add(document, JENTRY_ISBOOL_TRUE, "", 0) != nullptr;
    case 'f':
      return take_word(document, "false") && add(document, JENTRY_ISBOOL_FALSE, "", 0) != nullptr;
    case 'n':
      return take_word(document, "null") && add(document, JENTRY_ISNULL, "", 0) != nullptr;
    default:
      return (*document.at == '-' || is_digit(*document.at)) && take_number(document);
  }
}

// ---- the layout: jsonb.h, and convertJsonbValue() in jsonb_util.c -----------------------------------------

struct Output {
  char *start;
  char *at;
};

void pad(Output &output) {
  while ((output.at - output.start) % static_cast<std::ptrdiff_t>(sizeof(uint32)) != 0) *output.at++ = 0;
}

void write_container(Output &output, const Document &document, const Node &container);

// Writes the bytes of a node, whose entry has their number.
void write_node(Output &output, const Document &document, const Node &node) {
  if (node.type == JENTRY_ISCONTAINER) return write_container(output, document, node);
  if (node.type == JENTRY_ISNUMERIC) pad(output);
  memcpy(output.at, node.bytes, static_cast<size_t>(node.size));
  output.at += node.size;
}

void write_container(Output &output, const Document &document, const Node &container) {
  pad(output);
  const bool of_object = (container.container & JB_FOBJECT) != 0;
  const uint32 entries = (container.container & JB_CMASK) * (of_object ? 2 : 1);
  memcpy(output.at, &container.container, sizeof container.container);
  char *entry = output.at + sizeof container.container;
  char *const values = entry + entries * sizeof(JEntry);
  output.at = values;
  uint32 index = 0;
  const auto write = [&](const Node &node) {
    char *const begin = output.at;
    write_node(output, document, node);
    const bool has_offset = index++ % JB_OFFSET_STRIDE == 0;
    const JEntry meta = node.type | (has_offset ? JENTRY_HAS_OFF | static_cast<JEntry>(output.at - values)
                                                : static_cast<JEntry>(output.at - begin));
    memcpy(entry, &meta, sizeof meta);
    entry += sizeof meta;
  };
  // All keys come before all values.
  const Node *const nodes = document.nodes;
  const int first = static_cast<int>(&container - nodes) + 1;
  if (of_object)
    for (int key = first; key < container.next; key = nodes[key + 1].next) write(nodes[key]);
  for (int member = first; member < container.next;) {
    const Node &node = nodes[of_object ? member + 1 : member];
    write(node);
    member = node.next;
  }
}

struct varlena *lay_out(const Document &document) {
  // A scalar at the root takes the size of an array of one element.
  auto *const value = static_cast<char *>(palloc(VARHDRSZ + 2 * sizeof(uint32) + document.room));
  Output output{value, value + VARHDRSZ};
  const Node &root = document.nodes[0];
  if (root.type == JENTRY_ISCONTAINER) {
    write_container(output, document, root);
  } else {
    const uint32 header = JB_FARRAY | JB_FSCALAR | 1;
    memcpy(output.at, &header, sizeof header);
    char *const entry = output.at + sizeof header;
    output.at = entry + sizeof(JEntry);
    char *const begin = output.at;
    write_node(output, document, root);
    const JEntry meta = root.type | JENTRY_HAS_OFF | static_cast<JEntry>(output.at - begin);
    memcpy(entry, &meta, sizeof meta);
  }
  SET_VARSIZE(value, output.at - value);
  return reinterpret_cast<struct varlena *>(value);
}

}  // namespace

struct varlena *decode_jsonb(const char *bytes, int length) {
  constexpr char version = 1;  // jsonb_send() in jsonb.c
  if (length < 2 || length > most_bytes || bytes[0] != version) return nullptr;
  // The worker's client encoding is the database's: there is nothing to convert.
  pg_verifymbstr(bytes + 1, length - 1, false);
  Document document;
  document.at = bytes + 1;
  document.end = bytes + length;
  document.count = 0;
  document.room = 0;
  if (!take_value(document, 0)) return nullptr;
  skip_space(document);
  return document.at == document.end ? lay_out(document) : nullptr;
}

}  // namespace tablesync::pg
