/* server/body/form_data.c */
#include "server/body/form_data.h"
#include "core/base/log.h"
#include "server/body/body.h"
#include "server/body/upload.h"
#include "server/body/uploads.h"
#include "server/http/multipart.h"
#include "server/request.h"
#include "server/server.h"
#include <errno.h>

enum { FIELDS_MAX = 1000 };

/* A file, until its path is known. */
struct form_file {
	struct form_file *next;
	struct str filename, type;
	size_t member;   /* of the form; SIZE_MAX: it is none (nothing was chosen to be sent) */
	uint32_t number; /* in the upload */
};

struct form_reader {
	struct multipart multipart;
	struct request *request;
	struct form_data form;
	struct upload *upload;  /* NULL: no file has come yet */
	struct buf text;        /* of the field at hand */
	uint64_t texts_size;    /* of all fields */
	struct form_file *file; /* at hand; NULL: a field is */
	bool file_begun;
	struct form_file *files; /* newest first */
	uint32_t n_files;
	const struct reply *refusal;
	form_reader_fn *on_room;
	void *owner;
};

static bool form_refuse(struct form_reader *reader, int status, const char *detail)
{
	reader->refusal =
		body_refuse(reader->request,
			    &(struct body_refusal){ .status = status, .detail = str_of(detail) });
	return false;
}

static bool form_no_memory(struct form_reader *reader)
{
	reader->refusal = body_refuse_memory(reader->request, reader->texts_size);
	return false;
}

/* ------------------------------------------------------------ files */

static void form_on_written(struct upload *upload, int error)
{
	struct form_reader *reader = upload_owner(upload);

	if (error) {
		log_warning("upload failed folder=%s error=%s",
			    LOG_QUOTE(uploads_base(reader->request->worker->server->uploads)),
			    strerrorname_np(-error));
		if (error == -ENOSPC || error == -EDQUOT || error == -EFBIG)
			form_refuse(reader, 507, "there is no room for the files");
		else
			form_refuse(reader, error == -EMFILE || error == -ENFILE ? 503 : 500, NULL);
	}
	reader->on_room(reader, reader->owner);
}

static bool form_open_upload(struct form_reader *reader)
{
	struct request *request = reader->request;
	struct worker *worker = request->worker;
	const struct upload_place place = {
		.uploads = worker->server->uploads,
		.pool = worker->server->pool,
		.loop = worker->loop,
		.budget = &worker->server->memory,
		.detacher = &worker->detacher,
		.generation = request->generation,
	};

	if (!reader->upload)
		reader->upload = upload_create(&place, request->route->body.files_max,
					       form_on_written, reader);
	return reader->upload || form_refuse(reader, 503, NULL);
}

/* The file is made when its first byte comes, or at its end: a field for files in which none was
 * chosen is sent as a file without name and bytes, and is none. */
static bool form_begin_file(struct form_reader *reader)
{
	if (reader->file_begun)
		return true;
	if (reader->n_files == reader->request->route->body.files_max)
		return form_refuse(reader, 413, "the form has more files than may be");
	if (!form_open_upload(reader))
		return false;
	reader->file_begun = true;
	reader->file->number = reader->n_files++;
	upload_begin_file(reader->upload);
	return true;
}

static bool form_add_to_file(struct form_reader *reader, struct str bytes)
{
	if (!form_begin_file(reader))
		return false;
	if (upload_size(reader->upload, reader->file->number) + bytes.len >
	    reader->request->route->body.file_max)
		return form_refuse(reader, 413, "a file is larger than may be");
	upload_add(reader->upload, bytes);
	return true;
}

/* ------------------------------------------------------------ parts */

static struct member *form_add_member(struct form_reader *reader, struct str name)
{
	struct form_data *form = &reader->form;
	struct arena *arena = &reader->request->arena;

	if (form->n_members == form->n_room) {
		size_t n_room = form->n_room ? form->n_room * 2 : 16;
		struct member *members = arena_alloc_array(arena, n_room, sizeof(*members));

		if (!members)
			return NULL;
		if (form->n_members)
			memcpy(members, form->members, form->n_members * sizeof(*members));
		form->members = members;
		form->n_room = n_room;
	}
	name = arena_str(arena, name);
	if (!name.ptr)
		return NULL;
	form->members[form->n_members] = (struct member){ value_text(name), value_null() };
	return &form->members[form->n_members++];
}

static bool form_begin_part(struct form_reader *reader)
{
	struct multipart *multipart = &reader->multipart;
	struct arena *arena = &reader->request->arena;
	struct form_file *file;

	reader->file = NULL;
	reader->file_begun = false;
	if (!form_add_member(reader, multipart->name))
		return form_no_memory(reader);
	if (!multipart->filename.ptr) {
		buf_init_arena(&reader->text, arena);
		return true;
	}
	file = arena_zalloc(arena, sizeof(*file));
	if (!file)
		return form_no_memory(reader);
	file->filename = arena_str(arena, multipart->filename);
	file->type = arena_str(arena, multipart->type);
	file->member = reader->form.n_members - 1;
	file->next = reader->files;
	reader->files = reader->file = file;
	return (file->filename.ptr && file->type.ptr) || form_no_memory(reader);
}

static bool form_part_data(struct form_reader *reader, struct str bytes)
{
	if (reader->file)
		return form_add_to_file(reader, bytes);
	reader->texts_size += bytes.len;
	buf_add(&reader->text, bytes);
	if (reader->texts_size > reader->request->generation->settings.body)
		return form_refuse(reader, 413, "the form is larger than may be");
	return !reader->text.error || form_no_memory(reader);
}

static bool form_end_part(struct form_reader *reader)
{
	struct form_data *form = &reader->form;

	if (!reader->file) {
		form->members[form->n_members - 1].value =
			value_text(reader->text.len ? buf_str(&reader->text) : STR(""));
		return true;
	}
	if (reader->file->filename.len || reader->file_begun)
		return form_begin_file(reader);
	form->n_members--;
	reader->file->member = SIZE_MAX;
	return true;
}

static bool form_event(struct form_reader *reader, enum multipart_event event, struct str data)
{
	switch (event) {
	case MULTIPART_PART:
		return form_begin_part(reader);
	case MULTIPART_DATA:
		return form_part_data(reader, data);
	case MULTIPART_PART_END:
		return form_end_part(reader);
	case MULTIPART_BAD:
		return form_refuse(reader, reader->multipart.status,
				   arena_printf(&reader->request->arena,
						"malformed multipart/form-data: %s",
						reader->multipart.problem)
					   .ptr);
	case MULTIPART_MORE:
		break;
	}
	return true;
}

enum intake form_reader_data(struct form_reader *reader, struct str bytes)
{
	enum multipart_event event;
	struct str data = STR_NONE;
	size_t used;

	do {
		event = multipart_read(&reader->multipart, bytes, &used, &data);
		bytes = str_skip(bytes, used);
		if (!form_event(reader, event, data))
			return INTAKE_REFUSED;
	} while (event != MULTIPART_MORE);
	if (!reader->upload || !upload_is_full(reader->upload))
		return INTAKE_TAKEN;
	upload_flush(reader->upload);
	return INTAKE_PAUSED;
}

enum intake form_reader_end(struct form_reader *reader)
{
	if (!multipart_is_whole(&reader->multipart)) {
		form_refuse(reader, 400, "the body ends before its last boundary");
		return INTAKE_REFUSED;
	}
	if (reader->upload && !upload_is_empty(reader->upload)) {
		upload_flush(reader->upload);
		return INTAKE_PAUSED;
	}
	return form_reader_finish(reader) ? INTAKE_REFUSED : INTAKE_TAKEN;
}

/* ------------------------------------------------------------ the values */

static bool form_file_value(struct form_reader *reader, const struct form_file *file)
{
	struct arena *arena = &reader->request->arena;
	struct member *members = arena_alloc_array(arena, 4, sizeof(*members));
	struct str folder = uploads_path(reader->request->worker->server->uploads);
	struct str path = arena_printf(arena, "%.*s/%.*s", STR_ARG(folder),
				       STR_ARG(upload_name(reader->upload, file->number)));
	uint64_t size = upload_size(reader->upload, file->number);

	if (!members || !path.ptr)
		return false;
	members[0] = (struct member){ value_text(STR("filename")), value_text(file->filename) };
	members[1] = (struct member){ value_text(STR("type")), value_text(file->type) };
	members[2] = (struct member){ value_text(STR("size")), value_int((int64_t)size) };
	members[3] = (struct member){ value_text(STR("path")), value_text(path) };
	reader->form.members[file->member].value = value_object(members, 4);
	return true;
}

const struct reply *form_reader_finish(struct form_reader *reader)
{
	for (const struct form_file *file = reader->files; file; file = file->next)
		if (file->member != SIZE_MAX && !form_file_value(reader, file))
			form_no_memory(reader);
	reader->request->form = &reader->form;
	return reader->refusal;
}

const struct reply *form_reader_refusal(const struct form_reader *reader)
{
	return reader->refusal;
}

struct form_reader *form_reader_create(struct request *request, struct str boundary,
				       form_reader_fn *on_room, void *owner)
{
	struct form_reader *reader = arena_zalloc(&request->arena, sizeof(*reader));

	if (!reader)
		return NULL;
	reader->request = request;
	reader->on_room = on_room;
	reader->owner = owner;
	multipart_init(&reader->multipart, boundary, FIELDS_MAX + request->route->body.files_max);
	return reader;
}

void form_reader_close(struct form_reader *reader)
{
	if (reader)
		upload_close(take(&reader->upload));
}
