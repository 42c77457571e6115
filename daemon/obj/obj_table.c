/* The list of objects; a parent stands before its children. */
#include "obj_room.h"

const struct obj *const obj_table[] = {&obj_server, &obj_role, &obj_listener,
    &obj_certificate, &obj_site, &obj_gate, &obj_domain, &obj_user, &obj_number,
    &obj_administrator, &obj_token, NULL};
