// Reading the members of our own JSON for people: absent and null are empty.
#pragma once

#include "danelaw/base/text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <string>

namespace danelaw::cli {

inline std::string text_of(const boost::json::object& o, std::string_view key) {
    const boost::json::value* v = o.if_contains(key);
    if (v == nullptr || v->is_null()) return "";
    if (v->is_string()) return printable(std::string_view(v->get_string()), 500);
    return boost::json::serialize(*v);
}

inline std::uint64_t number_of(const boost::json::object& o, std::string_view key) {
    const boost::json::value* v = o.if_contains(key);
    boost::system::error_code wrong;
    const auto n = v == nullptr ? 0 : v->to_number<std::uint64_t>(wrong);
    return wrong ? 0 : n;
}

inline const boost::json::object& object_of(const boost::json::object& o, std::string_view key) {
    static const boost::json::object none;
    const boost::json::value* v = o.if_contains(key);
    return v != nullptr && v->is_object() ? v->get_object() : none;
}

inline const boost::json::array& array_of(const boost::json::object& o, std::string_view key) {
    static const boost::json::array none;
    const boost::json::value* v = o.if_contains(key);
    return v != nullptr && v->is_array() ? v->get_array() : none;
}

} // namespace danelaw::cli
