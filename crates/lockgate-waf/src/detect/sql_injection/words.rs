//! What words mean in SQL, over the dialects.

/// What a word is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// `AND`, `OR`, `XOR`.
    Boolean,
    /// `NOT`, and what else stands before an operand.
    Before,
    /// `LIKE`, `IN`, `IS`, `BETWEEN`.
    Compare,
    /// `DIV`, `MOD`.
    Arithmetic,
    /// `NULL`, `TRUE`.
    Literal,
    /// `UNION`, `INTERSECT`, `EXCEPT`, `MINUS`.
    Union,
    /// `SELECT`.
    Select,
    /// `VALUES`, `TABLE`: what can follow `UNION` beside `SELECT`.
    Rows,
    /// `ALL`, `DISTINCT`.
    Quantity,
    /// `FROM`, `JOIN`.
    From,
    /// `WHERE`, `ON`.
    Where,
    /// `ORDER`, `GROUP`: `BY` follows.
    Sorting,
    /// `BY`.
    By,
    /// `HAVING`.
    Having,
    /// `LIMIT`, `OFFSET`.
    Limit,
    /// `INTO`: `OUTFILE` follows.
    Into,
    /// `OUTFILE`, `DUMPFILE`.
    File,
    /// `PROCEDURE`: `ANALYSE` follows.
    Procedure,
    /// `CASE`, `WHEN`, `THEN`, `ELSE`: an operand follows.
    Case,
    /// `END`, `ASC`, `DESC`: nothing has to follow.
    After,
    /// `AS`, `COLLATE`, `USING`: a name follows.
    As,
    /// What begins a statement.
    Statement(Statement),
    /// A function that only SQL has, and that only attacks want: it waits, reads files, or fails with what it was given.
    Telling,
    /// A function of SQL that other languages have too.
    Function,
    /// A name that only a database's own tables have.
    System,
    /// Any other.
    Name,
}

/// What begins a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement {
    /// `DROP`, `CREATE`, `ALTER`, `TRUNCATE`, `RENAME`: what kind of thing follows.
    Define,
    /// `INSERT`, `REPLACE`, `MERGE`: `INTO` follows.
    Insert,
    /// `DELETE`: `FROM` follows.
    Delete,
    /// `UPDATE`: a name and `SET` follow.
    Update,
    /// `EXEC`, `CALL`, `DECLARE`, `USE`, `ATTACH`, `PREPARE`, `SET`: a name or a variable follows.
    Do,
    /// `WAITFOR`: `DELAY` follows.
    Wait,
    /// `SHUTDOWN`: alone.
    Alone,
    /// `COPY`, `GRANT`, `REVOKE`, `HANDLER`: a name, then a word of theirs.
    Move,
}

/// Longer words mean nothing; room for `distinctrow` and `information_schema`.
const LONGEST: usize = 24;

/// What a word means, whatever its case. Of `a.b.c` the last part counts, or
/// where that says nothing the first.
pub(super) fn meaning(word: &[u8]) -> Word {
    let Some(dot) = memchr::memrchr(b'.', word) else {
        return plain(word);
    };
    let last = plain(word.get(dot + 1..).unwrap_or_default());
    if matches!(last, Word::Telling | Word::System) {
        return last;
    }
    let first = word.split(|byte| *byte == b'.').next().unwrap_or_default();
    match plain(first) {
        Word::System => Word::System,
        Word::Telling => Word::Telling,
        _ => Word::Name,
    }
}

fn plain(word: &[u8]) -> Word {
    let mut room = [0; LONGEST];
    let Some(lower) = room.get_mut(..word.len()) else {
        return Word::Name;
    };
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    if lower.first().is_some_and(|first| *first >= 0x80) {
        return Word::Name;
    }
    keyword(lower)
}

fn keyword(lower: &[u8]) -> Word {
    match lower {
        b"and" | b"or" | b"xor" => Word::Boolean,
        b"not" | b"exists" | b"any" | b"some" | b"binary" | b"interval" | b"prior" => Word::Before,
        b"like" | b"rlike" | b"ilike" | b"regexp" | b"glob" | b"in" | b"is" | b"between"
        | b"similar" | b"sounds" | b"overlaps" => Word::Compare,
        b"div" | b"mod" => Word::Arithmetic,
        b"null" | b"true" | b"false" | b"unknown" | b"current_user" | b"session_user"
        | b"current_date" | b"current_timestamp" | b"sysdate" => Word::Literal,
        b"union" | b"intersect" | b"except" | b"minus" => Word::Union,
        b"select" => Word::Select,
        b"values" | b"table" => Word::Rows,
        b"all" | b"distinct" | b"distinctrow" | b"unique" | b"top" | b"sql_calc_found_rows" => {
            Word::Quantity
        }
        b"from" | b"join" => Word::From,
        b"where" | b"on" => Word::Where,
        b"order" | b"group" | b"partition" => Word::Sorting,
        b"by" => Word::By,
        b"having" => Word::Having,
        b"limit" | b"offset" => Word::Limit,
        b"into" => Word::Into,
        b"outfile" | b"dumpfile" => Word::File,
        b"procedure" => Word::Procedure,
        b"case" | b"when" | b"then" | b"else" => Word::Case,
        b"end" | b"asc" | b"desc" | b"nulls" | b"rows" | b"only" => Word::After,
        b"as" | b"collate" | b"using" | b"escape" | b"over" | b"inner" | b"left" | b"right"
        | b"cross" | b"natural" | b"outer" => Word::As,
        b"drop" | b"create" | b"alter" | b"truncate" | b"rename" => {
            Word::Statement(Statement::Define)
        }
        b"insert" | b"merge" => Word::Statement(Statement::Insert),
        b"delete" => Word::Statement(Statement::Delete),
        b"update" => Word::Statement(Statement::Update),
        b"exec" | b"execute" | b"call" | b"declare" | b"use" | b"attach" | b"prepare" | b"set"
        | b"pragma" | b"begin" | b"do" | b"perform" | b"dbcc" | b"backup" | b"print" => {
            Word::Statement(Statement::Do)
        }
        b"waitfor" => Word::Statement(Statement::Wait),
        b"shutdown" => Word::Statement(Statement::Alone),
        b"copy" | b"grant" | b"revoke" | b"handler" | b"load" | b"bulk" => {
            Word::Statement(Statement::Move)
        }
        _ => named(lower),
    }
}

fn named(lower: &[u8]) -> Word {
    match lower {
        b"pg_sleep"
        | b"pg_sleep_for"
        | b"benchmark"
        | b"extractvalue"
        | b"updatexml"
        | b"load_file"
        | b"xp_cmdshell"
        | b"xp_dirtree"
        | b"xp_regread"
        | b"xp_fileexist"
        | b"sp_executesql"
        | b"sp_oacreate"
        | b"sp_password"
        | b"dbms_pipe"
        | b"dbms_lock"
        | b"user_lock"
        | b"dbms_session"
        | b"dbms_utility"
        | b"dbms_xmlgen"
        | b"dbms_ldap"
        | b"utl_http"
        | b"utl_inaddr"
        | b"utl_file"
        | b"utl_smtp"
        | b"ctxsys"
        | b"randomblob"
        | b"zeroblob"
        | b"load_extension"
        | b"pg_read_file"
        | b"pg_ls_dir"
        | b"lo_import"
        | b"lo_export"
        | b"query_to_xml"
        | b"database_to_xml"
        | b"group_concat"
        | b"name_const"
        | b"gtid_subset"
        | b"gtid_subtract"
        | b"openrowset"
        | b"opendatasource"
        | b"generate_series"
        | b"sqlite_version"
        | b"make_set"
        | b"is_srvrolemember"
        | b"has_dbaccess"
        | b"serverproperty"
        | b"httpuritype"
        | b"xmltype"
        | b"sys_eval"
        | b"sys_exec"
        | b"to_binary"
        | b"procedure_analyse"
        | b"dblink"
        | b"dblink_connect"
        | b"st_latfromgeohash"
        | b"st_longfromgeohash"
        | b"st_pointfromgeohash"
        | b"uuid_to_bin"
        | b"json_keys"
        | b"analyse" => Word::Telling,
        b"sleep" | b"char" | b"chr" | b"concat" | b"concat_ws" | b"ascii" | b"ord" | b"hex"
        | b"unhex" | b"substr" | b"substring" | b"mid" | b"length" | b"len" | b"char_length"
        | b"if" | b"iif" | b"ifnull" | b"nullif" | b"coalesce" | b"nvl" | b"decode" | b"cast"
        | b"convert" | b"count" | b"md5" | b"sha1" | b"version" | b"database" | b"schema"
        | b"user" | b"system_user" | b"user_name" | b"db_name" | b"row" | b"elt" | b"field"
        | b"rand" | b"floor" | b"exp" | b"pow" | b"upper" | b"lower" | b"isnull" | b"instr"
        | b"locate" | b"position" | b"strpos" | b"bit_length" | b"reverse" | b"replace"
        | b"unicode" | b"nchar" | b"like" | b"unlikely" | b"likelihood" | b"getdate" | b"now"
        | b"current_database" | b"current_schema" | b"string_agg" | b"array_agg" | b"to_char"
        | b"rawtohex" | b"bin" | b"conv" | b"crc32" | b"abs" | b"min" | b"max" | b"sum"
        | b"avg" | b"host_name" | b"object_id" | b"col_name" | b"quote" | b"trim" | b"left"
        | b"right" | b"lpad" | b"rpad" | b"space" | b"soundex" | b"greatest" | b"least"
        | b"connection_id" => Word::Function,
        b"information_schema"
        | b"pg_catalog"
        | b"pg_shadow"
        | b"pg_user"
        | b"pg_database"
        | b"sqlite_master"
        | b"sqlite_schema"
        | b"sqlite_temp_master"
        | b"sysobjects"
        | b"syscolumns"
        | b"sysdatabases"
        | b"syslogins"
        | b"sysusers"
        | b"all_tables"
        | b"all_tab_columns"
        | b"all_users"
        | b"dba_users"
        | b"user_tables"
        | b"user_tab_columns"
        | b"mysql"
        | b"v$version"
        | b"v$instance"
        | b"v$session"
        | b"msysobjects"
        | b"msysaccessobjects"
        | b"rdb$database"
        | b"sysibm"
        | b"syscat"
        | b"all_objects"
        | b"innodb_table_stats"
        | b"performance_schema" => Word::System,
        _ => Word::Name,
    }
}
