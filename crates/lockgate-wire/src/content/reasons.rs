//! What is wrong with bodies.

reasons! {
    "content", Client:
    JSON_SYNTAX = "json-syntax", 400,
        "The body is not JSON.",
        "Send one JSON value as RFC 8259 has it: names in double quotes, no comma behind the last member.";
    JSON_END = "json-end", 400,
        "The JSON ends too early.",
        "Send the whole value: every bracket and string is closed.";
    JSON_TRAILING = "json-trailing", 400,
        "Something stands behind the JSON value.",
        "Send one value and nothing behind it. For one value per line use application/x-ndjson.";
    JSON_DEPTH = "json-depth", 400,
        "The JSON is nested too deeply.",
        "Nest objects and arrays less deeply. The operator may raise the limit.";
    JSON_NUMBER = "json-number", 400,
        "A number in the JSON is not one.",
        "Write numbers as RFC 8259 has them: no leading zeros or plus, a digit on both sides of the point; no NaN or Infinity.";
    JSON_ESCAPE = "json-escape", 400,
        "A string in the JSON has an escape that does not exist.",
        "Use the escapes of RFC 8259: a backslash before one of \" \\ / b f n r t, or u and four hexadecimal digits.";
    JSON_SURROGATE = "json-surrogate", 400,
        "A string in the JSON has half of a surrogate pair.",
        "Write characters beyond U+FFFF as they are in UTF-8, or as two escapes that belong together.";
    JSON_CONTROL = "json-control", 400,
        "A string in the JSON has a bare control character.",
        "Write control characters as escapes, for example \\n.";
    JSON_UTF8 = "json-utf8", 400,
        "The JSON is not UTF-8.",
        "Send JSON in UTF-8.";
    JSON_BOM = "json-bom", 400,
        "The JSON begins with a byte order mark.",
        "Send JSON in UTF-8 without a byte order mark (RFC 8259, 8.1).";
    JSON_COMMENT = "json-comment", 400,
        "There is a comment in the JSON.",
        "JSON has no comments: take them out.";
    JSON_DUPLICATE_KEY = "json-duplicate-key", 400,
        "An object in the JSON has the same name twice.",
        "Use each name once in an object: readers differ on which of two counts.";
    JSON_NUL = "json-nul", 400,
        "A string in the JSON has U+0000.",
        "Leave out U+0000: some readers end a string there.";
    JSON_TOO_MANY = "json-too-many", 413,
        "The JSON has too many values.",
        "Send fewer values at once. The operator may raise the limit.";
    JSON_NAME = "json-name-too-long", 400,
        "Names in the JSON are too long.",
        "Use shorter names, or nest less deeply: what counts is the way to a value.";

    MULTIPART_TYPE = "multipart-type", 400,
        "The form's content type says no boundary that can be used.",
        "Send Content-Type: multipart/form-data; boundary=, and up to 70 letters, digits and '()+_,-./:=? without quotes.";
    MULTIPART_BOUNDARY = "multipart-boundary", 400,
        "A line of the form is nearly its boundary.",
        "Write boundaries alone on a line, as the content type says them.";
    MULTIPART_NONE = "multipart-no-part", 400,
        "The form has no part.",
        "Begin each part with two hyphens and the boundary that the content type says.";
    MULTIPART_END = "multipart-end", 400,
        "The form has no end.",
        "End the form with its boundary between two hyphens before and behind.";
    MULTIPART_HEADER = "multipart-header", 400,
        "A part of the form has a broken header.",
        "Write a name, a colon and a value in each line, each name once, without NUL or control characters.";
    MULTIPART_HEADER_SIZE = "multipart-header-size", 400,
        "A part of the form has too many or too long headers.",
        "Send the few headers that a form needs: Content-Disposition and Content-Type.";
    MULTIPART_DISPOSITION = "multipart-disposition", 400,
        "A part of the form has no proper Content-Disposition.",
        "Write Content-Disposition: form-data; name=\"…\", and filename=\"…\" for a file, each once and in double quotes.";
    MULTIPART_FILENAME_EXTENDED = "multipart-filename-extended", 400,
        "A part of the form has filename*.",
        "Send filename in UTF-8: RFC 7578, 4.2 forbids filename* in forms, and readers differ on which of two counts.";
    MULTIPART_NESTED = "multipart-nested", 400,
        "A part of the form is multipart itself.",
        "Send each file as a part of its own with the same name (RFC 7578, 4.3).";
    MULTIPART_CHARSET = "multipart-charset", 400,
        "The body, or a part of it, says that its text is not UTF-8.",
        "Send text in UTF-8, and no part _charset_.";
    MULTIPART_ENCODING = "multipart-encoding", 400,
        "A part of the form has a transfer encoding.",
        "Send parts as they are: RFC 7578, 4.7 has no Content-Transfer-Encoding.";
    MULTIPART_STRICT = "multipart-strict", 400,
        "The form can be read in more than one way.",
        "End lines with CR LF, fold no headers, put nothing before the first boundary or behind the last, no quotes around the boundary, and names in double quotes.";
    MULTIPART_TOO_MANY = "multipart-too-many", 413,
        "The form has too many parts.",
        "Send fewer parts at once. The operator may raise the limit.";

    XML_SYNTAX = "xml-syntax", 400,
        "The body is not well-formed XML.",
        "Close every element, quote every attribute, and escape & and < in text.";
    XML_END = "xml-end", 400,
        "The XML ends too early.",
        "Send the whole document: every element is closed.";
    XML_TRAILING = "xml-trailing", 400,
        "Something stands beside the XML's root element.",
        "Send one root element, and only comments or whitespace beside it.";
    XML_DOCTYPE = "xml-doctype", 400,
        "The XML has a document type declaration.",
        "Leave out <!DOCTYPE>: entities could read files or grow without bound.";
    XML_ENTITY = "xml-entity", 400,
        "The XML refers to an entity that it cannot know.",
        "Use &amp; &lt; &gt; &quot; &apos; or the character itself.";
    XML_CHARACTER = "xml-character", 400,
        "The XML has a character that XML forbids.",
        "Send UTF-8 text without control characters other than tab and line ends.";
    XML_ENCODING = "xml-encoding", 415,
        "The XML is not in UTF-8.",
        "Send XML in UTF-8, and say so or nothing in its declaration.";
    XML_ATTRIBUTE = "xml-duplicate-attribute", 400,
        "An element in the XML has the same attribute twice.",
        "Use each attribute once in an element.";
    XML_DEPTH = "xml-depth", 400,
        "The XML is nested too deeply.",
        "Nest elements less deeply. The operator may raise the limit.";
    XML_TOO_MANY = "xml-too-many", 413,
        "The XML has too many elements or attributes.",
        "Send fewer at once. The operator may raise the limit.";
    XML_NAME = "xml-name-too-long", 400,
        "Names in the XML are too long.",
        "Use shorter names, or nest less deeply: what counts is the way to a value.";

    GRPC_MESSAGE = "grpc-not-protobuf", 400,
        "A gRPC message is not in the form of Protocol Buffers.",
        "Send messages in the binary form of Protocol Buffers, with their prefix each.";
    GRPC_COMPRESSED = "grpc-compressed", 415,
        "A gRPC message is compressed in a way that it cannot be looked at.",
        "Send `grpc-encoding: gzip`, `deflate`, `br` or `zstd` with it, or do not compress. Over gRPC-Web that the gate only passes on, do not compress.";
    GRPC_TOO_MANY = "grpc-too-many-fields", 413,
        "The gRPC messages have too many fields.",
        "Send fewer values at once. The operator may raise the limit.";

    GRAPHQL_SYNTAX = "graphql-syntax", 400,
        "The document is not GraphQL that can be executed.",
        "Send operations and fragments as the GraphQL specification has them.";
    GRAPHQL_DEPTH = "graphql-depth", 400,
        "The GraphQL document is nested too deeply.",
        "Nest selections and values less deeply. The operator may raise the limit.";
    GRAPHQL_TOO_MANY = "graphql-too-many", 413,
        "The GraphQL document is too large, or there are too many of them.",
        "Ask for less at once. The operator may raise the limit.";
}
